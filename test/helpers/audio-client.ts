import { once } from 'node:events';
import { WebSocket } from 'ws';

export type AudioMessage = { readonly type: string } & Readonly<Record<string, unknown>>;

const LIMIT_MS = 10_000;

/** A sender of live sound on a session's WebSocket, that keeps all that it is told and when (ms since the process began). */
export class AudioClient {
  readonly socket: WebSocket;
  readonly told: (AudioMessage & { readonly atMs: number })[] = [];
  closed: { code: number; reason: string } | undefined;
  #look: () => void = () => {};

  private constructor(url: string) {
    this.socket = new WebSocket(url, { perMessageDeflate: false });
    this.socket.on('message', (data: Buffer) => {
      this.told.push({ ...(JSON.parse(data.toString()) as AudioMessage), atMs: performance.now() });
      this.#look();
    });
    this.socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.#look();
    });
    this.socket.on('error', () => {});
  }

  static async open(serverUrl: string, sessionId: string, query = ''): Promise<AudioClient> {
    const url = `${serverUrl.replace(/^http/, 'ws')}/v1/sessions/${sessionId}/audio${query}`;
    const client = new AudioClient(url);
    await once(client.socket, 'open');
    return client;
  }

  send(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  sound(bytes: Uint8Array): void {
    this.socket.send(bytes);
  }

  /** The first message of this type, also one that came before; with `check`, the first that it holds for. */
  async message(type: string, check: (message: AudioMessage) => boolean = () => true) {
    return this.#wait(type, () => this.told.find((one) => one.type === type && check(one)));
  }

  async end(): Promise<{ code: number; reason: string }> {
    return this.#wait('the socket to close', () => this.closed);
  }

  /** Sends PCM16LE mono in pieces of 20 ms, each in its time. Resolves with when the first one and each byte count left. */
  async stream(pcm: Uint8Array, rate: number): Promise<{ firstMs: number; sentMs: number[] }> {
    const size = (rate / 50) * 2;
    const firstMs = performance.now();
    const sentMs: number[] = [];
    for (let at = 0; at < pcm.length; at += size) {
      const waitMs = firstMs + (at / size) * 20 - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      this.sound(pcm.subarray(at, at + size));
      sentMs.push(performance.now());
    }
    return { firstMs, sentMs };
  }

  async #wait<T>(what: string, find: () => T | undefined): Promise<T> {
    const found = find();
    if (found !== undefined) return found;
    return new Promise((resolve, reject) => {
      const before = this.#look;
      const limit = setTimeout(() => {
        const seen = this.told.map(({ type }) => type).join(', ');
        reject(
          new Error(
            `waited ${LIMIT_MS} ms in vain for ${what}; told: ${seen}; ${JSON.stringify(this.closed)}`,
          ),
        );
      }, LIMIT_MS);
      this.#look = () => {
        before();
        const now = find();
        if (now === undefined) return;
        clearTimeout(limit);
        resolve(now);
      };
    });
  }
}
