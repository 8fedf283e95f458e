import { z, type OpenAPIHono } from '@hono/zod-openapi';
import { route } from '../describe.js';
import { metricsText } from '../metrics-text.js';
import type { AvatarsPort, SessionsPort, TalkPort } from '../ports.js';
import { HttpRefusal } from '../problem.js';
import type { RequestCounts } from '../request-counts.js';

/** Viewers with series of their own, the others being in the sums only: that many take 1.7 MB and some 8 ms of a core. */
const MAX_LISTED_VIEWERS = 200;

export interface OpsOptions {
  readonly version: string;
  readonly engine: string;
  readonly isReady: () => boolean;
  readonly counts: RequestCounts;
}

export function opsRoutes(
  app: OpenAPIHono,
  ports: { avatars: AvatarsPort; sessions: SessionsPort; talk: TalkPort },
  options: OpsOptions,
): void {
  const status = z.object({ status: z.string() });

  route(
    app,
    {
      method: 'get',
      path: '/healthz',
      tag: 'operations',
      summary: 'Alive?',
      status: 200,
      answer: 'Alive',
      schema: status,
    },
    (c) => c.json({ status: 'ok', version: options.version, engine: options.engine }, 200, NO_STORE),
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1',
      tag: 'operations',
      summary: 'Tell what this server can do',
      status: 200,
      answer: 'Whether it speaks text (text), and answers it by a language model (chat)',
      schema: z.object({
        version: z.string(),
        engine: z.string(),
        text: z.boolean(),
        chat: z.boolean(),
      }),
    },
    (c) => c.json({ version: options.version, engine: options.engine, ...ports.talk.can }, 200, NO_STORE),
  );

  route(
    app,
    {
      method: 'get',
      path: '/readyz',
      tag: 'operations',
      summary: 'Ready for work?',
      status: 200,
      answer: 'Ready',
      schema: status,
      refusals: [503],
    },
    async function ready(c) {
      if (!options.isReady()) throw notReady('the server is starting or stopping');
      await ports.avatars.list().catch((error: unknown) => {
        throw notReady(
          `the avatars cannot be listed: ${error instanceof Error ? error.message : String(error)}`,
        );
      });
      return c.json({ status: 'ready' }, 200, NO_STORE);
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/metrics',
      tag: 'operations',
      summary: 'Figures for Prometheus',
      status: 200,
      answer: 'Figures',
      answerType: 'text/plain',
    },
    async function metrics(c) {
      const text = metricsText({
        version: options.version,
        engine: options.engine,
        avatars: await ports.avatars.list(),
        sessions: ports.sessions.list(),
        media: await ports.sessions.figures(MAX_LISTED_VIEWERS),
        requests: options.counts.entries(),
      });
      return c.body(text, 200, { ...NO_STORE, 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' });
    },
  );
}

const NO_STORE = { 'Cache-Control': 'no-store' };

function notReady(sentence: string): HttpRefusal {
  return new HttpRefusal(503, 'not-ready', sentence, { headers: { 'Retry-After': '2' } });
}
