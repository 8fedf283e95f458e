import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createApp, type AppOptions } from '../../signaling/app.js';
import type {
  ActionInfo,
  ActionPlay,
  ActionsPort,
  AvatarInfo,
  AvatarsPort,
  DiagnosisPort,
  MediaPathsPort,
  NumberedEvent,
  SessionCreateOptions,
  SessionEvent,
  SessionInfo,
  SessionMedia,
  SessionSettings,
  SessionsPort,
  SpeechMode,
  TalkPort,
  UtteranceInfo,
} from '../../signaling/ports.js';
import { AppError } from '../../src/errors.js';
import { EventLog } from '../../src/session/events/event-log.js';
import type { SessionFigures } from '../../src/session/viewers/figures.js';
import type { SpokenText } from '../../src/session/texts.js';
import type { InterruptedView } from '../../src/session/talks.js';
import type { InletReport } from '../../src/session/speech/utterance-inlets.js';
import { deferred } from './deferred.js';
import { FakeRecordings } from './fake-recordings.js';
import { silentLog } from '../../src/lib/log.js';

const CREATED_AT_UNIX_S = 1_234_567_890.123;

const FINGERPRINT = `a=fingerprint:sha-256 ${Array.from({ length: 32 }, () => 'AB').join(':')}`;

/** A whole section of each kind under one transport; `ufrag` and `pwd` are the sender's. */
function sdp(direction: string, setup: string, ufrag: string, candidates: readonly string[]): string {
  const section = (kind: string, mid: number, codec: string): string[] => [
    `m=${kind} 9 UDP/TLS/RTP/SAVPF 96`,
    'c=IN IP4 0.0.0.0',
    `a=mid:${mid}`,
    `a=${direction}`,
    'a=rtcp-mux',
    `a=rtpmap:96 ${codec}`,
    ...(direction === 'sendonly' ? ['a=msid:stream track'] : []),
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${ufrag.padEnd(22, '0')}`,
    FINGERPRINT,
    `a=setup:${setup}`,
    ...candidates,
  ];
  return [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    'a=group:BUNDLE 0 1',
    ...section('audio', 0, 'opus/48000/2'),
    ...section('video', 1, 'VP8/90000'),
    '',
  ].join('\r\n');
}

const CANDIDATE = 'a=candidate:1 1 udp 2130706431 127.0.0.1 5000 typ host';
export const OFFER = sdp('recvonly', 'actpass', 'abcd', []);
const answer = (ufrag: string): string =>
  sdp('sendonly', 'passive', ufrag, [CANDIDATE, 'a=end-of-candidates']);
export const ANSWER = answer('gen1');
const fragment = (ufrag: string): string =>
  [
    'a=group:BUNDLE 0 1',
    'a=ice-options:trickle ice2',
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${ufrag.padEnd(22, '0')}`,
    'm=audio 9 UDP/TLS/RTP/SAVPF 96',
    'a=mid:0',
    CANDIDATE,
    '',
  ].join('\r\n');
export const FRAGMENT = fragment('abcd');
export const RESTART_FRAGMENT = fragment('efgh');

/** The actions of avatars that exist, ready at once. */
export class FakeActions implements ActionsPort {
  readonly #avatars: FakeAvatars;
  readonly created: { avatarId: string; name: string; sourcePath: string; sourceIsUpload?: boolean }[] = [];

  constructor(avatars: FakeAvatars) {
    this.#avatars = avatars;
  }

  async create(
    avatarId: string,
    action: { name: string; sourcePath: string; sourceIsUpload?: boolean },
  ): Promise<ActionInfo> {
    await this.#avatars.get(avatarId);
    this.created.push({ avatarId, ...action });
    return this.#info(action.name);
  }

  async list(avatarId: string): Promise<ActionInfo[]> {
    await this.#avatars.get(avatarId);
    return this.created.filter((one) => one.avatarId === avatarId).map(({ name }) => this.#info(name));
  }

  async get(avatarId: string, name: string): Promise<ActionInfo> {
    const found = (await this.list(avatarId)).find((one) => one.name === name);
    if (found === undefined)
      throw new AppError('action-not-found', `avatar ${avatarId} has no action ${name}`);
    return found;
  }

  async delete(avatarId: string, name: string): Promise<void> {
    await this.get(avatarId, name);
    this.created.splice(0, this.created.length, ...this.created.filter((one) => one.name !== name));
  }

  #info(name: string): ActionInfo {
    return { name, state: 'ready', progress: 1, createdAtUnixS: CREATED_AT_UNIX_S, durationMs: 2000 };
  }
}

/** Avatars in memory. A preparation goes on until the test calls `finish` or `fail`. */
export class FakeAvatars implements AvatarsPort {
  readonly infos = new Map<string, AvatarInfo>();
  readonly created: { id: string; sourcePath: string; sourceIsUpload?: boolean }[] = [];
  readonly listeners = new Map<string, Set<(info: AvatarInfo) => void>>();
  previews = new Map<string, string>();
  /** Thrown by the next call of `create`. */
  refusal: Error | undefined;
  /** Resolves the moment somebody waits in `whenReady`. */
  awaited = deferred<void>();
  prepareAtOnce = true;

  add(id: string, state: AvatarInfo['state'] = 'ready'): AvatarInfo {
    const info: AvatarInfo = {
      id,
      state,
      progress: state === 'ready' ? 1 : 0,
      createdAtUnixS: CREATED_AT_UNIX_S,
    };
    this.infos.set(id, info);
    return info;
  }

  change(id: string, change: Partial<AvatarInfo>): void {
    const info = { ...this.infos.get(id)!, ...change };
    this.infos.set(id, info);
    for (const listener of [...(this.listeners.get(id) ?? [])]) listener(info);
  }

  async create(options: { id: string; sourcePath: string; sourceIsUpload?: boolean }): Promise<AvatarInfo> {
    if (this.refusal) throw this.refusal;
    if (this.infos.has(options.id)) throw new AppError('avatar-exists', `avatar ${options.id} exists`);
    this.created.push(options);
    return this.add(options.id, this.prepareAtOnce ? 'ready' : 'preparing');
  }

  async whenReady(id: string, signal: AbortSignal): Promise<AvatarInfo> {
    this.awaited.resolve();
    const done = deferred<AvatarInfo>();
    const look = (info: AvatarInfo): void => {
      if (info.state === 'ready') done.resolve(info);
      if (info.state === 'failed') done.reject(new AppError('no-face', `no face was found for avatar ${id}`));
    };
    signal.addEventListener('abort', () => done.reject(signal.reason as Error), { once: true });
    const off = this.subscribe(id, look);
    look(await this.get(id));
    return done.promise.finally(off);
  }

  async list(): Promise<AvatarInfo[]> {
    return [...this.infos.values()];
  }

  async get(id: string): Promise<AvatarInfo> {
    const info = this.infos.get(id);
    if (!info) throw new AppError('avatar-not-found', `there is no avatar "${id}"`);
    return info;
  }

  async previewPath(id: string): Promise<string> {
    const info = await this.get(id);
    if (info.state !== 'ready') throw new AppError('avatar-not-ready', `avatar ${id} is ${info.state}`);
    return this.previews.get(id) ?? '/nonexistent/preview.jpg';
  }

  subscribe(id: string, listener: (info: AvatarInfo) => void): () => void {
    const set = this.listeners.get(id) ?? new Set();
    this.listeners.set(id, set.add(listener));
    return () => void set.delete(listener);
  }

  listenerCount(id: string): number {
    return this.listeners.get(id)?.size ?? 0;
  }

  async delete(id: string): Promise<void> {
    await this.get(id);
    this.infos.delete(id);
  }
}

/** Sessions in memory; pictures come from `picture()` and wait in no queue. */
export class FakeSessions implements SessionsPort, TalkPort {
  readonly infos = new Map<string, SessionInfo>();
  readonly created: SessionCreateOptions[] = [];
  readonly said: { audioPath: string; audioIsUpload?: boolean; mode?: SpeechMode }[] = [];
  readonly utteranceInfos = new Map<string, UtteranceInfo>();
  readonly pieces: { id: string; bytes: Uint8Array; seq?: number; last?: boolean }[] = [];
  readonly peers = new Map<string, { sessionId: string; generation: number }>();
  readonly trickled: string[] = [];
  readonly configured: SessionSettings[] = [];
  refusal: Error | undefined;
  /** Pictures of the sessions until they end; a test may replace it. */
  pictures: (signal: AbortSignal) => AsyncIterable<Uint8Array> = async function* () {
    yield Uint8Array.of(0xff, 0xd8, 1, 0xff, 0xd9);
    yield Uint8Array.of(0xff, 0xd8, 2, 2, 0xff, 0xd9);
  };
  readonly #avatars: FakeAvatars;

  constructor(avatars: FakeAvatars) {
    this.#avatars = avatars;
  }

  add(id: string, avatar = 'anna', fps = 25): SessionInfo {
    const info: SessionInfo = {
      id,
      avatar,
      state: 'idle',
      fps,
      createdAtUnixS: CREATED_AT_UNIX_S,
      viewers: 0,
      widthPx: 640,
      heightPx: 480,
      engine: 'cpu',
      engineMode: 'live',
      engineReason: 'asked for',
      rendering: [],
      settings: {},
      stats: { framesDrawn: 3 },
    };
    this.infos.set(id, info);
    return info;
  }

  async create(options: SessionCreateOptions): Promise<SessionInfo> {
    if (this.refusal) throw this.refusal;
    const avatar = await this.#avatars.get(options.avatarId);
    if (avatar.state !== 'ready')
      throw new AppError('avatar-not-ready', `avatar ${avatar.id} is ${avatar.state}`);
    this.created.push(options);
    const id = options.legacy ? `${options.avatarId}_1234567890` : 's1';
    return this.add(id, options.avatarId, options.fps);
  }

  list(): SessionInfo[] {
    return [...this.infos.values()];
  }

  get(id: string): SessionInfo {
    const info = this.infos.get(id);
    if (!info) throw new AppError('session-not-found', `there is no session "${id}"`);
    return info;
  }

  async media(id: string): Promise<SessionMedia> {
    this.get(id);
    return {
      media: {
        skewMs: { count: 9, min: 0, p50: 0.4, p95: 3.1, max: 4 },
        pictures: { sent: 9, late: 0, dropped: 0, skipped: 0 },
        freezes: 0,
        freezeMs: 0,
        allViewers: { freezes: 0, freezeMs: 0 },
      },
      viewerStats: [{ id: 'p1', state: 'connecting' }],
    };
  }

  /** What `figures` answers; a test fills it. */
  measured: SessionFigures[] = [];

  async figures(): Promise<SessionFigures[]> {
    return this.measured;
  }

  readonly events = new EventLog();
  listenerCount = 0;

  subscribe(id: string, listener: (event: NumberedEvent) => void, afterId?: number): () => void {
    this.get(id);
    this.listenerCount += 1;
    const off = this.events.follow(listener, afterId);
    return () => {
      this.listenerCount -= 1;
      off();
    };
  }

  emit(event: SessionEvent): void {
    this.events.add(event);
  }

  async configure(
    id: string,
    settings: SessionSettings,
  ): Promise<SessionInfo & { takesHold: Record<string, { ms: number | null }> }> {
    const info = this.get(id);
    if (this.refusal) throw this.refusal;
    this.configured.push(settings);
    const changed = { ...info, settings: { ...info.settings, ...settings } };
    this.infos.set(id, changed);
    return {
      ...changed,
      takesHold: Object.fromEntries(Object.keys(settings).map((name) => [name, { ms: 1 }])),
    };
  }

  /** What they were told to play; undefined where it was told to end. */
  readonly acted: ({ name: string; times: number } | undefined)[] = [];

  async act(id: string, action: { name: string; times: number }): Promise<ActionPlay> {
    this.get(id);
    if (this.refusal) throw this.refusal;
    this.acted.push(action);
    return { id: 'a1', name: action.name, at: { mediaMs: 40, rtp: { audio: 1, video: 2 } } };
  }

  stopActing(id: string): void {
    this.get(id);
    if (this.refusal) throw this.refusal;
    this.acted.push(undefined);
  }

  async say(
    id: string,
    options: { audioPath: string; audioIsUpload?: boolean; mode?: SpeechMode },
  ): Promise<UtteranceInfo> {
    this.get(id);
    if (this.refusal) throw this.refusal;
    this.said.push(options);
    return this.#accept(`u${this.said.length}`, options.mode);
  }

  #accept(id: string, mode: SpeechMode = 'append'): UtteranceInfo {
    const info: UtteranceInfo = {
      ...{ id, state: 'waiting', mode, createdAtUnixS: CREATED_AT_UNIX_S, playedMs: 0, resumable: false },
    };
    this.utteranceInfos.set(id, info);
    return info;
  }

  can = { text: false, chat: false };
  readonly texts: (SpokenText & { chat: boolean })[] = [];

  sayText(id: string, spoken: SpokenText): UtteranceInfo {
    return this.#sayText(id, { ...spoken, chat: false });
  }

  chat(id: string, asked: SpokenText): UtteranceInfo {
    return this.#sayText(id, { ...asked, chat: true });
  }

  #sayText(id: string, spoken: SpokenText & { chat: boolean }): UtteranceInfo {
    this.get(id);
    if (this.refusal) throw this.refusal;
    if (!this.can.text) throw new AppError('not-supported', 'no speech service is configured');
    this.texts.push(spoken);
    return this.#accept(`t${this.texts.length}`, spoken.mode);
  }

  openUtterance(id: string, options: { sampleRate: number; mode?: SpeechMode }): UtteranceInfo {
    this.get(id);
    if (this.refusal) throw this.refusal;
    return this.#accept(`at ${options.sampleRate} Hz`, options.mode);
  }

  pushSound(
    id: string,
    utteranceId: string,
    bytes: Uint8Array,
    options: { seq?: number; last?: boolean },
  ): InletReport {
    this.utterance(id, utteranceId);
    if (this.refusal) throw this.refusal;
    this.pieces.push({ id: utteranceId, bytes, ...options });
    return { receivedMs: 20, bufferedMs: 10, hasRoom: true };
  }

  utterances(id: string): UtteranceInfo[] {
    this.get(id);
    return [...this.utteranceInfos.values()];
  }

  utterance(id: string, utteranceId: string): UtteranceInfo {
    this.get(id);
    const info = this.utteranceInfos.get(utteranceId);
    if (info === undefined) throw new AppError('utterance-not-found', `no utterance ${utteranceId}`);
    return info;
  }

  async dropUtterance(id: string, utteranceId: string): Promise<void> {
    const info = this.utterance(id, utteranceId);
    this.utteranceInfos.set(utteranceId, { ...info, state: 'interrupted' });
  }

  async interrupt(id: string): Promise<InterruptedView> {
    this.get(id);
    const dropped = [{ utteranceId: 'u1', playedMs: 120 }];
    return { playedMs: 120, dropped, resumable: true, soundStoppedMs: 15, mouthClosedMs: 60, stoppedMs: 60 };
  }

  keepAlive(id: string): void {
    this.get(id);
  }

  setListening(id: string): void {
    this.get(id);
  }

  readonly publishers = new Map<string, { sessionId: string; generation: number }>();
  readonly roles: string[] = [];

  addPublisher(
    sessionId: string,
    offerSdp: string,
    role: 'speak' | 'listen',
  ): { peerId: string; answerSdp: string; etag: string } {
    this.get(sessionId);
    if (this.refusal) throw this.refusal;
    if (/^m=video/m.test(offerSdp)) throw new AppError('sdp-unsupported', 'sound only');
    const peerId = randomUUID();
    this.publishers.set(peerId, { sessionId, generation: 1 });
    this.roles.push(role);
    return { peerId, answerSdp: ANSWER, etag: '"tag1"' };
  }

  publisherTag(sessionId: string, publisherId: string): string | undefined {
    const publisher = this.publishers.get(publisherId);
    return publisher?.sessionId === sessionId ? `"tag${publisher.generation}"` : undefined;
  }

  tricklePublisher(_sessionId: string, _publisherId: string, fragment: string): void {
    this.trickled.push(fragment);
  }

  restartPublisher(_sessionId: string, publisherId: string): { fragment: string; etag: string } {
    const generation = (this.publishers.get(publisherId)!.generation += 1);
    return { fragment: fragment(`gen${generation}`), etag: `"tag${generation}"` };
  }

  removePublisher(sessionId: string, publisherId: string): void {
    if (this.publisherTag(sessionId, publisherId) === undefined)
      throw new AppError('peer-not-found', `no microphone ${publisherId}`);
    this.publishers.delete(publisherId);
  }

  openSpeaker(): never {
    throw new AppError('not-supported', 'no live sound here');
  }

  closeSpeaker(): void {}

  openListener(): never {
    throw new AppError('not-supported', 'no live sound here');
  }

  closeListener(): void {}

  resume(id: string): { resumed: string[] } {
    this.get(id);
    if (this.refusal) throw this.refusal;
    return { resumed: ['u1'] };
  }

  async stop(id: string): Promise<void> {
    this.get(id);
    this.infos.delete(id);
  }

  async addPeer(
    sessionId: string,
    offerSdp: string,
  ): Promise<{ peerId: string; answerSdp: string; etag: string }> {
    this.get(sessionId);
    if (this.refusal) throw this.refusal;
    if (!offerSdp.includes('a=ice-ufrag:')) throw new AppError('sdp-invalid', 'no ICE credentials');
    if (/^a=(sendonly|inactive)/m.test(offerSdp) || !offerSdp.includes('VP8/90000'))
      throw new AppError('sdp-unsupported', 'not to be served');
    const peerId = randomUUID();
    this.peers.set(peerId, { sessionId, generation: 1 });
    this.#count(sessionId);
    return { peerId, answerSdp: ANSWER, etag: '"tag1"' };
  }

  peerTag(sessionId: string, peerId: string): string | undefined {
    const peer = this.peers.get(peerId);
    return peer?.sessionId === sessionId ? `"tag${peer.generation}"` : undefined;
  }

  async trickle(sessionId: string, peerId: string, fragment: string): Promise<void> {
    this.#peer(sessionId, peerId);
    if (this.refusal) throw this.refusal;
    this.trickled.push(fragment);
  }

  async restartIce(
    sessionId: string,
    peerId: string,
    _fragment: string,
  ): Promise<{ fragment: string; etag: string }> {
    const peer = this.#peer(sessionId, peerId);
    if (this.refusal) throw this.refusal;
    peer.generation += 1;
    return { fragment: fragment(`gen${peer.generation}`), etag: `"tag${peer.generation}"` };
  }

  async removePeer(sessionId: string, peerId: string): Promise<void> {
    this.#peer(sessionId, peerId);
    this.peers.delete(peerId);
    this.#count(sessionId);
  }

  #peer(sessionId: string, peerId: string): { sessionId: string; generation: number } {
    const peer = this.peers.get(peerId);
    if (peer?.sessionId !== sessionId) throw new AppError('peer-not-found', `no viewer ${peerId}`);
    return peer;
  }

  #count(sessionId: string): void {
    const viewers = [...this.peers.values()].filter((peer) => peer.sessionId === sessionId).length;
    this.infos.set(sessionId, { ...this.get(sessionId), viewers });
    this.emit({ event: 'session.viewers', data: { viewers } });
  }

  mjpeg(sessionId: string, signal: AbortSignal): AsyncIterable<Uint8Array> {
    this.get(sessionId);
    return this.pictures(signal);
  }
}

/** Answers what a test puts there. */
export class FakeDiagnosis implements DiagnosisPort {
  run: DiagnosisPort['run'] = () =>
    Promise.resolve({
      checks: [{ name: 'session', ok: true, ms: 3, detail: 'fine' }],
      summary: ['fine'],
      candidates: [],
      publicHosts: [],
      icePort: 40_000,
      lite: false,
    });
}

class FakePaths implements MediaPathsPort {
  readonly uploadsDir: string;

  constructor(uploadsDir: string) {
    this.uploadsDir = uploadsDir;
  }

  async resolve(file: string): Promise<string> {
    if (file.includes('..'))
      throw new AppError('path-outside-roots', `${file} is outside of the media roots`);
    if (file.includes('missing')) throw new AppError('file-not-found', `there is no file ${file}`);
    if (file.endsWith('/')) throw new AppError('not-a-file', `${file} is not a file`);
    if (file.includes('garbage')) throw new AppError('media-undecodable', `${file} holds no sound`);
    return `/media/${file}`;
  }

  async resolveFootage(file: string): Promise<string> {
    return this.resolve(file.replace(/\/$/, ''));
  }
}

export interface FakeServer {
  readonly app: ReturnType<typeof createApp>;
  readonly avatars: FakeAvatars;
  actions: FakeActions;
  readonly sessions: FakeSessions;
  readonly recordings: FakeRecordings;
  readonly diagnosis: FakeDiagnosis;
  readonly dir: string;
  readonly uploadsDir: string;
  readonly webDir: string;
  /** Removes the folder. */
  close(): Promise<void>;
}

/** The real app over fakes, with a small page in a folder of its own. */
export async function fakeServer(
  options: AppOptions & { maxUploadBytes?: number } = {},
): Promise<FakeServer> {
  const dir = await mkdtemp(path.join(tmpdir(), 'musecast-http-'));
  const webDir = path.join(dir, 'web');
  const uploadsDir = path.join(dir, 'uploads');
  await mkdir(path.join(webDir, 'assets'), { recursive: true });
  await writeFile(path.join(webDir, 'index.html'), '<title>index</title>');
  await writeFile(path.join(webDir, 'bot.html'), '<title>bot</title>');
  await writeFile(path.join(webDir, 'diagnose.html'), '<title>diagnose</title>');
  await writeFile(path.join(webDir, 'assets', 'main-abc123.js'), 'export {};');
  await writeFile(path.join(dir, 'secret.txt'), 'secret');
  const avatars = new FakeAvatars();
  const actions = new FakeActions(avatars);
  const sessions = new FakeSessions(avatars);
  const diagnosis = new FakeDiagnosis();
  const recordings = new FakeRecordings();
  const app = createApp(
    {
      avatars,
      actions,
      sessions,
      talk: sessions,
      recordings,
      diagnosis,
      paths: new FakePaths(uploadsDir),
      log: silentLog,
      info: {
        version: '1.2.3',
        engine: 'fake',
        maxUploadBytes: options.maxUploadBytes ?? 1000,
        demoAudioPath: '/demo.wav',
        webDir,
      },
    },
    { rateLimit: false, ...options },
  );
  return {
    app,
    avatars,
    actions,
    sessions,
    recordings,
    diagnosis,
    dir,
    uploadsDir,
    webDir,
    close: () => rm(dir, { recursive: true, force: true }),
  };
}

export function postJson(body: unknown): RequestInit {
  return { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
}
