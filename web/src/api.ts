/** The part of the server's HTTP interface that the pages use. */
import { withToken } from './token.js';

export interface QualityReport {
  framesUsed: number;
  framesWithoutFace: number;
  notes: string[];
}

export interface Avatar {
  id: string;
  state: 'preparing' | 'ready' | 'failed';
  /** 0..1. */
  progress: number;
  createdAtUnixS: number;
  error?: { code: string; message: string };
  widthPx?: number;
  heightPx?: number;
  quality?: QualityReport;
}

export interface Session {
  id: string;
  avatar: string;
  state: 'idle' | 'listening' | 'speaking' | 'ended';
  fps?: number;
  widthPx?: number;
  heightPx?: number;
  /** What draws it, and why that: a sentence. */
  engine?: string;
  engineMode?: 'live' | 'prerendered';
  engineReason?: string;
  /** Utterances that are rendered before they play; progress 0..1. */
  rendering?: { utteranceId: string; progress: number }[];
  urls?: { whep?: string; whip?: string; mjpeg?: string; utterances?: string; iceServers?: string };
}

/**
 * What shall be spoken: the sound shipped with the server, a file on the server, a file of the visitor, text, or what a
 * language model answers to text.
 */
export type Sound =
  | { kind: 'demo' }
  | { kind: 'path'; path: string }
  | { kind: 'file'; file: File }
  | { kind: 'text' | 'chat'; text: string };
/** What an avatar is made of: a file on the server, or a file of the visitor. */
export type Footage = { kind: 'path'; path: string } | { kind: 'file'; file: File };

/** What the server can do with text. */
export interface Abilities {
  text: boolean;
  chat: boolean;
}

/** The server answered, and refused; the message is the server's own sentence. */
export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
  }
}

export const isGone = (error: unknown): boolean =>
  error instanceof ApiError && (error.status === 404 || error.status === 410);

/** The sentence of a problem+json body; `detail` is a list where a body did not validate. */
export function problemSentence(status: number, body: string): string {
  try {
    const problem = JSON.parse(body) as { detail?: unknown; title?: unknown };
    if (typeof problem.detail === 'string' && problem.detail !== '') return problem.detail;
    if (Array.isArray(problem.detail)) {
      const parts = (problem.detail as { msg?: unknown }[])
        .map((part) => String(part.msg ?? ''))
        .filter((part) => part !== '');
      if (parts.length > 0) return parts.join('; ');
    }
    if (typeof problem.title === 'string' && problem.title !== '') return problem.title;
  } catch {
    // Not JSON: a proxy's error page, which is nothing to show to a visitor.
  }
  return `The server answered with status ${status}.`;
}

async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(withToken(path), init);
  if (!response.ok)
    throw new ApiError(response.status, problemSentence(response.status, await response.text()));
  return response;
}

function json(body: unknown): RequestInit {
  return { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

function form(fields: Record<string, string>, file: File): FormData {
  const data = new FormData();
  // Text fields before the file: the server knows the id before the long part arrives.
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  data.append('file', file, file.name);
  return data;
}

const at = (kind: 'avatars' | 'sessions', id: string, rest = ''): string =>
  `/v1/${kind}/${encodeURIComponent(id)}${rest}`;

export const previewUrl = (avatar: Avatar): string =>
  withToken(`${at('avatars', avatar.id, '/preview.jpg')}?v=${avatar.createdAtUnixS}`);
export const whepUrl = (session: Session): string =>
  withToken(session.urls?.whep ?? `/whep/${encodeURIComponent(session.id)}`);
export const whipUrl = (session: Session): string =>
  withToken(session.urls?.whip ?? `/whip/${encodeURIComponent(session.id)}`);
export const mjpegUrl = (session: Session): string =>
  withToken(session.urls?.mjpeg ?? `/api/stream/${encodeURIComponent(session.id)}`);
/** Where a HEAD tells ICE servers; undefined if the server has none to tell. */
export const iceServersUrl = (session: Session): string | undefined =>
  session.urls?.iceServers === undefined ? undefined : withToken(session.urls.iceServers);

export async function getAbilities(): Promise<Abilities> {
  return (await (await request('/v1')).json()) as Abilities;
}

export async function listAvatars(): Promise<Avatar[]> {
  return ((await (await request('/v1/avatars')).json()) as { avatars: Avatar[] }).avatars;
}

export async function getAvatar(id: string): Promise<Avatar> {
  return (await (await request(at('avatars', id))).json()) as Avatar;
}

export async function deleteAvatar(id: string): Promise<void> {
  await request(at('avatars', id), { method: 'DELETE' });
}

/** Starts the preparation. XMLHttpRequest, because fetch cannot tell how much of an upload has left. */
export async function createAvatar(
  id: string,
  footage: Footage,
  options: { signal: AbortSignal; onUploaded(fraction: number): void },
): Promise<void> {
  if (footage.kind === 'path') {
    await request('/v1/avatars', { ...json({ id, path: footage.path }), signal: options.signal });
    return;
  }
  const body = form({ id }, footage.file);
  await new Promise<void>((resolve, reject) => {
    const upload = new XMLHttpRequest();
    upload.open('POST', withToken('/v1/avatars'));
    upload.upload.onprogress = (event) => {
      if (event.lengthComputable) options.onUploaded(event.loaded / event.total);
    };
    upload.onload = () => {
      if (upload.status < 300) resolve();
      else reject(new ApiError(upload.status, problemSentence(upload.status, upload.responseText)));
    };
    upload.onerror = () => reject(new Error('The upload broke off: the server cannot be reached.'));
    upload.onabort = () => reject(new DOMException('cancelled', 'AbortError'));
    options.signal.addEventListener('abort', () => upload.abort(), { once: true });
    upload.send(body);
  });
}

/** Follows a preparation to its end: server-sent events, or asking once a second where they do not come through. */
export function followAvatar(
  id: string,
  options: { signal: AbortSignal; onChange(avatar: Avatar): void },
): Promise<Avatar> {
  return new Promise((resolve, reject) => {
    const source = new EventSource(withToken(at('avatars', id, '/events')));
    let asking: ReturnType<typeof setInterval> | undefined;
    const stop = (): void => {
      source.close();
      clearInterval(asking);
    };
    const take = (avatar: Avatar): void => {
      options.onChange(avatar);
      if (avatar.state === 'preparing') return;
      stop();
      resolve(avatar);
    };
    const fail = (error: unknown): void => {
      stop();
      reject(error instanceof Error ? error : new Error(String(error)));
    };
    const ask = (): void => {
      getAvatar(id).then(take, (error: unknown) => {
        // A server that is away for a moment comes back; one that does not know the avatar will not.
        if (error instanceof ApiError) fail(error);
      });
    };
    source.addEventListener('progress', (event: MessageEvent<string>) =>
      take(JSON.parse(event.data) as Avatar),
    );
    source.onerror = () => {
      source.close();
      asking ??= setInterval(ask, 1000);
      ask();
    };
    options.signal.addEventListener('abort', () => fail(new DOMException('cancelled', 'AbortError')), {
      once: true,
    });
  });
}

export async function createSession(avatar: string, signal: AbortSignal): Promise<Session> {
  return (await (await request('/v1/sessions', { ...json({ avatar }), signal })).json()) as Session;
}

export async function getSession(id: string, signal: AbortSignal): Promise<Session> {
  return (await (await request(at('sessions', id), { signal })).json()) as Session;
}

/** Deletes in a way that survives the page. Never rejects: the server ends forgotten sessions by itself. */
export async function dropSession(id: string): Promise<void> {
  await fetch(withToken(at('sessions', id)), { method: 'DELETE', keepalive: true }).catch(() => undefined);
}

export async function say(session: Session, sound: Sound): Promise<void> {
  const url = session.urls?.utterances ?? at('sessions', session.id, '/utterances');
  await request(
    url,
    sound.kind === 'file' ? { method: 'POST', body: form({}, sound.file) } : json(utterance(sound)),
  );
}

function utterance(sound: Exclude<Sound, { kind: 'file' }>): object {
  switch (sound.kind) {
    case 'path':
      return { path: sound.path };
    case 'text':
      return { text: sound.text };
    case 'chat':
      // Whom the visitor talks to listens.
      return { type: 'chat', text: sound.text, mode: 'replace' };
    case 'demo':
      return { demo: true };
  }
}

export async function interrupt(session: Session): Promise<void> {
  await request(at('sessions', session.id, '/interrupt'), { method: 'POST' });
}

/** Another avatar in a session that runs; the speech goes on. */
export async function changeAvatar(session: Session, avatar: string): Promise<void> {
  await request(at('sessions', session.id), { ...json({ avatar }), method: 'PATCH' });
}

export interface Recording {
  id: string;
  state: 'recording' | 'finished' | 'recovered';
  durationMs: number;
  sizeBytes: number;
  mp4?: { state: 'making' | 'ready' | 'failed'; progress: number };
}

const recordingAt = (session: Session): string => at('sessions', session.id, '/recording');

/** Where a recording's file lies, for a link. */
export function recordingUrl(recording: Recording, format: 'webm' | 'mp4' = 'webm'): string {
  return withToken(`/v1/recordings/${encodeURIComponent(recording.id)}/file?format=${format}`);
}

export async function startRecording(session: Session): Promise<void> {
  await request(recordingAt(session), { method: 'POST' });
}

/** The one that runs, or the newest of the session, which may be gone. */
export async function getRecording(session: Session): Promise<Recording> {
  return (await (await request(recordingAt(session))).json()) as Recording;
}

export async function stopRecording(session: Session): Promise<Recording> {
  return (await (await request(recordingAt(session), { method: 'DELETE' })).json()) as Recording;
}

/** How far it is (0..1); undefined when it is there. */
export async function askForMp4(recording: Recording): Promise<number | undefined> {
  const url = `/v1/recordings/${encodeURIComponent(recording.id)}/file?format=mp4`;
  // Of a file that is there one byte will do.
  const response = await request(url, { headers: { range: 'bytes=0-0' } });
  if (response.status !== 202) return undefined;
  return ((await response.json()) as Recording).mp4?.progress ?? 0;
}
