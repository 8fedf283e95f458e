import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Log } from '../src/lib/log.js';
import { authorized, type AuthTokens } from './auth.js';
import type { IceServers } from './ice-servers.js';
import { cors, observed, rateLimited } from './middleware.js';
import type {
  ActionsPort,
  AvatarsPort,
  DiagnosisPort,
  MediaPathsPort,
  RecordingsPort,
  SessionsPort,
  TalkPort,
} from './ports.js';
import { HttpRefusal, refusalResponse, toRefusal } from './problem.js';
import { DEFAULT_RATE_LIMIT, type RateLimit } from './rate-limit.js';
import { RequestCounts } from './request-counts.js';
import { liveTalkingRoutes, type LiveTalkingOptions } from './livetalking/routes.js';
import { actionRoutes } from './routes/actions.js';
import { avatarRoutes } from './routes/avatars.js';
import { diagnoseRoutes } from './routes/diagnose.js';
import { docsRoutes } from './routes/docs.js';
import { legacyRoutes } from './routes/legacy.js';
import { opsRoutes } from './routes/ops.js';
import { pageRoutes, webFile } from './routes/pages.js';
import { recordingRoutes } from './routes/recordings.js';
import { sessionRoutes } from './routes/sessions.js';
import { whepRoutes } from './routes/whep.js';
import { whipRoutes } from './routes/whip.js';

export interface AppPorts {
  readonly avatars: AvatarsPort;
  readonly actions: ActionsPort;
  readonly sessions: SessionsPort;
  readonly talk: TalkPort;
  readonly recordings: RecordingsPort;
  readonly diagnosis: DiagnosisPort;
  readonly paths: MediaPathsPort;
  readonly log: Log;
  readonly info: {
    readonly version: string;
    readonly engine: string;
    readonly maxUploadBytes: number;
    /** Sound that `{"demo": true}` speaks. */
    readonly demoAudioPath: string;
    /** The built page. */
    readonly webDir: string;
  };
}

export interface AppOptions {
  readonly auth?: AuthTokens;
  /** For players. */
  readonly iceServers?: IceServers;
  readonly whep?: { readonly lenient?: boolean; readonly redirectUrl?: string };
  /** POSTs of one client address, and ten times as many changes of viewers; false switches the limits off. */
  readonly rateLimit?: RateLimit | false;
  /** LiveTalking's API is served, too. */
  readonly liveTalking?: LiveTalkingOptions;
  readonly isReady?: () => boolean;
  /** Pause after which an idle event stream sends a comment. */
  readonly keepAliveMs?: number;
  readonly nowMs?: () => number;
}

/** The whole HTTP surface as one function from request to response. It never listens; `server.ts` does. */
export function createApp(ports: AppPorts, options: AppOptions = {}): OpenAPIHono {
  const { log, info } = ports;
  const counts = new RequestCounts();
  const app = new OpenAPIHono();

  const nowMs = options.nowMs ?? Date.now;
  const { iceServers } = options;
  app.use(
    observed(log, counts),
    cors,
    rateLimited(options.rateLimit ?? DEFAULT_RATE_LIMIT, nowMs),
    authorized(options.auth ?? { full: [], viewer: [] }),
  );

  legacyRoutes(app, ports);
  const keepAliveMs = options.keepAliveMs ?? 15_000;
  avatarRoutes(app, ports, { maxUploadBytes: info.maxUploadBytes, keepAliveMs });
  actionRoutes(app, ports, { maxUploadBytes: info.maxUploadBytes });
  sessionRoutes(app, ports, { ...info, keepAliveMs, hasIceServers: iceServers !== undefined });
  recordingRoutes(app, ports.recordings);
  whepRoutes(app, ports.sessions, {
    ...options.whep,
    ...(iceServers === undefined ? {} : { iceServers }),
    keepAliveMs,
    nowMs,
  });
  whipRoutes(app, ports, {
    lenient: options.whep?.lenient ?? false,
    ...(iceServers === undefined ? {} : { iceServers }),
    nowMs,
  });
  if (options.liveTalking !== undefined)
    liveTalkingRoutes(app, ports, {
      ...options.liveTalking,
      maxUploadBytes: info.maxUploadBytes,
      keepAliveMs,
      nowMs,
    });
  opsRoutes(app, ports, {
    version: info.version,
    engine: info.engine,
    isReady: options.isReady ?? (() => true),
    counts,
  });
  diagnoseRoutes(app, ports.diagnosis);
  docsRoutes(app, info.version);
  pageRoutes(app, info.webDir);

  app.notFound(async function notFound(c) {
    const allowed = allowedMethods(app, c.req.path);
    if (allowed.length > 0 && !allowed.includes(c.req.method)) {
      const sentence = `${c.req.method} is not allowed here`;
      return refusalResponse(
        c,
        new HttpRefusal(405, 'method-not-allowed', sentence, { headers: { Allow: allowed.join(', ') } }),
      );
    }
    const file = allowed.length > 0 ? undefined : await webFile(c, info.webDir);
    return file ?? refusalResponse(c, new HttpRefusal(404, 'not-found', `there is nothing at ${c.req.path}`));
  });

  app.onError(function answerError(error, c) {
    if (isGone(c)) return c.body(null, GONE_STATUS);
    const refusal = toRefusal(error);
    if (refusal.status >= 500)
      log.error({ err: error, path: c.req.path, code: refusal.code }, 'request failed');
    return refusalResponse(c, refusal);
  });

  return app;
}

/** Nobody reads it; it only keeps a client that left from being counted as a fault of ours. */
const GONE_STATUS = 499 as 400;

function isGone(c: Context): boolean {
  return c.req.raw.signal.aborted;
}

/** The methods that routes of this path take; empty if no route has the path. */
function allowedMethods(app: OpenAPIHono, path: string): string[] {
  const methods = new Set<string>();
  for (const one of app.routes) {
    if (one.method === 'ALL' || !patternOf(one.path).test(path)) continue;
    methods.add(one.method);
    if (one.method === 'GET') methods.add('HEAD');
  }
  return methods.size > 0 ? ['OPTIONS', ...methods] : [];
}

function patternOf(path: string): RegExp {
  const source = path
    .split('/')
    .map((segment) => {
      const parameter = /^:\w+(?:\{(.+)\})?$/.exec(segment);
      if (parameter) return parameter[1] ? `(?:${parameter[1]})` : '[^/]+';
      return segment.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
    })
    .join('/');
  return new RegExp(`^${source}$`);
}
