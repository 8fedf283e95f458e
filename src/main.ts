import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createApp, type AppOptions, type AppPorts } from '../signaling/app.js';
import { audioSockets } from '../signaling/audio/audio-sockets.js';
import { listen } from '../signaling/server.js';
import { ChatService } from './adapters/chat-service.js';
import { findFfmpeg } from './adapters/ffmpeg.js';
import { SpeechService } from './adapters/speech-service.js';
import { AVATAR_FPS } from './avatar/manifest.js';
import { AvatarStore } from './avatar/store.js';
import { ConfigError, helpText, readConfig, type Config } from './config.js';
import { toAppError } from './errors.js';
import { faceSettingsOf } from './face-settings.js';
import { ensureFaceModels } from './face/models.js';
import { systemClock } from './lib/clock.js';
import type { Log } from './lib/log.js';
import { Scope } from './lib/scope.js';
import { createLogger } from './logger.js';
import { projectRoot, resolveMediaPath } from './paths.js';
import { Diagnoses, type DiagnosedTransport } from './session/viewers/diagnosis.js';
import { localAudiences } from './session/viewers/local-audience.js';
import { SenderPool } from './session/viewers/sender-pool.js';
import type { SenderThread } from './session/viewers/sender-thread.js';
import { RecordingStore } from './session/recording/recording-store.js';
import { Recordings } from './session/recording/recordings.js';
import { Sessions, type SessionsOptions } from './session/sessions.js';
import { createTransportHost } from './transport/create-transport-host.js';
import type { TransportHost } from './transport/peer-transport.js';
import { Actions } from './worker/actions.js';
import { Avatars, PARALLEL } from './worker/avatars.js';
import { Engines } from './worker/engines.js';
import { WorkerHost } from './worker/host.js';
import { WorkerPool } from './worker/pool.js';
import { Turns } from './worker/turns.js';

/** Composition root: builds everything from the configuration, downwards; `close` takes it down in reverse. */

const FORCED_EXIT_MS = 10_000;
const DEMO_LIMIT_MS = 60_000;

export interface RunningServer {
  readonly url: string;
  readonly port: number;
  /** Process ids of the media workers, for tests that kill one. */
  readonly workerPids: readonly number[];
  /** The sender threads, for tests that kill one. */
  readonly senders: readonly { kill(): Promise<void> }[];
  close(): Promise<void>;
}

/** What tests and benches put in the place of a part; no option of the command line leads here. */
export interface ServerOverrides {
  /** See worker/open-engine.ts. */
  readonly engineModule?: string;
}

/** @throws AppError when a part cannot start; what had started is closed again. */
export async function startServer(config: Config, overrides: ServerOverrides = {}): Promise<RunningServer> {
  const log = createLogger(config.logLevel);
  const scope = new Scope();
  try {
    const { modelsDir, dataDir, logLevel } = config;
    const { ffmpegBin } = config;
    const avatarsDir = path.join(dataDir, 'avatars');
    const uploadsDir = path.join(dataDir, 'uploads');
    const web = path.join(projectRoot(), 'web');
    const demoDir = path.join(web, 'public', 'demo');
    await Promise.all([avatarsDir, uploadsDir].map((folder) => mkdir(folder, { recursive: true })));
    const [ffmpeg] = await Promise.all([
      findFfmpeg({ ...(ffmpegBin === undefined ? {} : { ffmpegBin }), log }),
      ensureFaceModels(modelsDir, log),
    ]);

    const worker = { avatarsDir, modelsDir, logLevel, ffmpeg };
    const pool = await WorkerPool.create(
      config.workers,
      { ...worker, lipTiming: config.lipTiming, ...overrides },
      log,
    );
    scope.defer(() => pool.close());
    const face = faceSettingsOf(config);

    const store = new AvatarStore(avatarsDir);
    await store.sweep();
    const preparing = {
      store,
      modelsDir,
      ffmpeg,
      fps: AVATAR_FPS,
      logLevel,
      turns: new Turns(PARALLEL),
      ...('missing' in face ? {} : { face }),
      facesAlong: () => engines.preparesFaces,
      log,
    };
    const actions: Actions = new Actions({ ...preparing, avatar: (id) => avatars.ready(id) });
    scope.defer(() => actions.close());
    const avatars: Avatars = new Avatars({
      ...preparing,
      avatarsDir,
      inUse: (id) => sessions.usesAvatar(id),
      beforeDelete: (id) => actions.forget(id),
    });
    scope.defer(() => avatars.close());
    const senders = await openSenders(config, scope, log);
    const engines: Engines = new Engines({
      cpu: pool,
      face: 'missing' in face ? face : { settings: face, host: WorkerHost.start({ ...worker, face }, log) },
      asked: config.engine !== 'auto',
      prepareFaces: (id, basis) => avatars.prepareFaces(id, basis),
      facesReady: (id, basis) => avatars.facesReady(id, basis),
      log,
    });
    scope.defer(() => engines.close());
    // Asked for by name, it is there or the server does not start; else it loads while the CPU engine serves.
    if (config.engine !== 'auto' && config.engine !== 'cpu') await engines.whenFacesReady();
    const recordings = new Recordings({
      store: await RecordingStore.open(config.recordingsDir, log),
      session: (id) => sessions.recorded(id),
      ffmpeg,
      maxMs: config.recordingMaxLengthS * 1000,
      maxBytes: config.recordingMaxMb * 2 ** 20,
      budgetBytes: config.recordingsBudgetMb * 2 ** 20,
      clock: systemClock,
      log,
    });
    scope.defer(() => recordings.close());
    const sessions: Sessions = new Sessions({
      engines,
      ffmpeg,
      avatar: (id) => avatars.ready(id),
      action: (avatarId, name) => actions.ready(avatarId, name),
      avatarsDir,
      modelsDir,
      resultsDir: config.resultDir,
      maxSessions: config.maxSessions,
      maxViewers: config.maxViewers,
      fps: config.fps,
      lingerMs: config.sessionLingerS * 1000,
      ...(config.sessionIdleTimeoutS === 0 ? {} : { idleMs: config.sessionIdleTimeoutS * 1000 }),
      ...(config.sessionMaxLengthS === 0 ? {} : { maxMs: config.sessionMaxLengthS * 1000 }),
      text: { ...textServicesOf(config), uploadsDir },
      openAudience: senders.openAudience,
      transport: senders.incoming,
      logLevel,
      clock: systemClock,
      log,
    });
    scope.defer(() => sessions.close());

    try {
      await avatars.create({ id: 'demo', sourcePath: path.join(demoDir, 'portrait.jpg') });
      await avatars.whenReady('demo', AbortSignal.timeout(DEMO_LIMIT_MS));
    } catch (error) {
      // Somebody's own avatar of that name, or a portrait that cannot be prepared: the server is of use without it.
      log.warn({ err: toAppError(error) }, 'the demo avatar is not the shipped one');
    }

    const { version } = createRequire(import.meta.url)(path.join(projectRoot(), 'package.json')) as {
      version: string;
    };
    const ports: AppPorts = {
      avatars,
      actions,
      sessions,
      talk: sessions.talk,
      recordings,
      diagnosis: new Diagnoses({
        sessions,
        transport: senders.transport,
        publicHosts: config.publicHosts,
        portIsFixed: config.icePortRange !== undefined,
        iceServers: config.iceServers,
        clock: systemClock,
      }),
      paths: {
        resolve: (given) => resolveMediaPath(given, config.mediaRoots),
        resolveFootage: (given) => resolveMediaPath(given, config.mediaRoots, { folders: true }),
        uploadsDir,
      },
      log,
      info: {
        version,
        engine: engines.names.join(','),
        maxUploadBytes: config.maxUploadMb * 2 ** 20,
        demoAudioPath: path.join(demoDir, 'speech.wav'),
        webDir: path.join(web, 'dist'),
      },
    };
    const app = createApp(ports, httpOptionsOf(config));
    const sockets = audioSockets(ports, { full: config.authTokens, viewer: config.viewerTokens });
    const server = await listen(app, { host: config.host, port: config.port, sockets });
    // Together: streams that never end would hold the server up, and it must take no request meanwhile.
    scope.defer(() => Promise.all([server.close(), sessions.close()]));
    return {
      ...{ url: server.url, port: server.port, workerPids: pool.pids, senders: senders.threads },
      close: () => scope.close(),
    };
  } catch (error) {
    await scope.close().catch(() => {});
    throw error;
  }
}

/** Those who send to viewers: this thread, or threads of their own. */
async function openSenders(
  config: Config,
  scope: Scope,
  log: Log,
): Promise<{
  transport: DiagnosedTransport;
  openAudience: SessionsOptions['openAudience'];
  incoming: TransportHost;
  threads: readonly SenderThread[];
}> {
  const { icePortRange, logLevel } = config;
  const settings = {
    ...(icePortRange === undefined ? {} : { portRange: icePortRange }),
    tcp: config.iceTcp,
    lite: config.iceLite,
    publicHosts: config.publicHosts,
  };
  const clock = systemClock;
  if (config.senders === 0) {
    const transport = await createTransportHost({ ...settings, log });
    scope.defer(() => transport.ice.close());
    const openAudience = localAudiences({ transport, clock, log });
    return { transport, openAudience, incoming: transport, threads: [] };
  }
  const pool = await SenderPool.create({ count: config.senders, transport: settings, logLevel, clock, log });
  scope.defer(() => pool.close());
  const { transport, threads } = pool;
  // Microphones (WHIP) are heard where the sessions are, on a port of this thread's own.
  const incoming = await createTransportHost({ ...settings, log });
  scope.defer(() => incoming.ice.close());
  return { transport, openAudience: (id, events) => pool.openAudience(id, events), incoming, threads };
}

/** The services that make speech of text, where they are named. */
function textServicesOf(config: Config): Omit<SessionsOptions['text'], 'uploadsDir'> {
  const { speechUrl, speechKey, speechModel, speechVoice, speechFormat, speechRate: pcmRate } = config;
  const { chatUrl, chatKey, chatModel, chatPrompt: systemPrompt } = config;
  if (speechUrl === undefined) return {};
  const service = new SpeechService({
    ...{ url: speechUrl, key: speechKey, model: speechModel, voice: speechVoice, format: speechFormat },
  });
  const speech = { service, pcmRate };
  if (chatUrl === undefined || chatModel === undefined) return { speech };
  const chat = new ChatService({ url: chatUrl, key: chatKey, model: chatModel });
  return { speech, chat: { service: chat, systemPrompt } };
}

function httpOptionsOf(config: Config): AppOptions {
  const { turnSecret: secret, turnTtlS: ttlS, turnUsername: username, turnCredential: credential } = config;
  const turn =
    secret !== undefined
      ? { secret, ttlS }
      : username !== undefined && credential !== undefined
        ? { username, credential }
        : undefined;
  return {
    auth: { full: config.authTokens, viewer: config.viewerTokens },
    whep: {
      lenient: config.whepLenient,
      ...(config.whepRedirect === undefined ? {} : { redirectUrl: config.whepRedirect }),
    },
    ...(config.liveTalking === undefined ? {} : { liveTalking: liveTalkingOf(config, config.liveTalking) }),
    ...(config.iceServers.length === 0
      ? {}
      : { iceServers: { urls: config.iceServers, ...(turn === undefined ? {} : { turn }) } }),
  };
}

/** Under the names of its own options; paths, addresses and keys are nobody's business. */
function liveTalkingOf(config: Config, avatarId: string): NonNullable<AppOptions['liveTalking']> {
  const { fps, engine: model, batchSize, maxSessions, port, speechUrl, speechVoice } = config;
  return {
    ...{ avatarId, maxSessions },
    config: {
      ...{ fps, model, avatar_id: avatarId, batch_size: batchSize },
      ...{ tts: speechUrl === undefined ? '' : 'openai', REF_FILE: speechVoice, REF_TEXT: null },
      ...{ transport: 'webrtc', max_session: maxSessions, listenport: port, customopt: [] },
    },
  };
}

async function main(): Promise<void> {
  const argv = process.argv.slice(2);
  if (argv.includes('--help')) {
    process.stdout.write(helpText());
    return;
  }
  let config: Config;
  try {
    config = readConfig(argv, process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) process.stderr.write(`${problem}\n`);
    process.exitCode = 2;
    return;
  }
  const server = await startServer(config);
  process.stdout.write(`Musecast listens on ${server.url}\n`);
  const stop = () => {
    // A second signal, or a part that hangs, must not keep the process alive.
    setTimeout(() => process.exit(1), FORCED_EXIT_MS).unref();
    process.once('SIGINT', () => process.exit(130));
    server.close().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${toAppError(error).message}\n`);
        process.exit(1);
      },
    );
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
}

if (process.argv[1]?.endsWith('main.js')) {
  main().catch((error: unknown) => {
    process.stderr.write(`Musecast cannot start: ${toAppError(error).message}\n`);
    process.exit(1);
  });
}
