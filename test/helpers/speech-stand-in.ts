import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { voice } from './live-sound.js';

/**
 * A speech service and a language model on a free port of this machine, of the shapes of OpenAI's
 * `/v1/audio/speech` and `/v1/chat/completions`. Its voice is a tone of 60 ms a character, or espeak-ng's.
 */

export interface StandInRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  /** The JSON of the body. */
  readonly body: Record<string, unknown> & {
    readonly input?: string;
    readonly voice?: string;
    readonly messages?: readonly { readonly role: string; readonly content: string }[];
  };
  readonly atMs: number;
  /** The client went away before the answer was whole. */
  isAborted: boolean;
  isAnswered: boolean;
}

export interface StandIn {
  /** As an option would name it, up to `/v1`. */
  readonly url: string;
  readonly requests: StandInRequest[];
  readonly spoken: () => string[];
  /** May answer a request itself: return true then. */
  handle: (request: StandInRequest, response: ServerResponse) => boolean | Promise<boolean>;
  /** PCM16LE mono at 24 kHz. */
  voice: (text: string) => Promise<Uint8Array>;
  /** What the model writes, a word a piece. */
  reply: (request: StandInRequest) => string;
  /** The model thinks for ever after so many words. */
  mostWords: number;
  /** How much faster than speech its sound is sent. */
  speed: number;
  /** The most requests for sound that were under way at once. */
  mostAtOnce: number;
  close(): Promise<void>;
}

export const CHAR_MS = 60;
const RATE = 24_000;
const PIECE_MS = 100;

/** How long the tone says a sentence. */
export const toneMs = (text: string): number => text.length * CHAR_MS;

export async function startStandIn(): Promise<StandIn> {
  let atOnce = 0;
  const server = createServer((incoming, response) => {
    void answer(incoming, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const standIn: StandIn = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests: [],
    spoken: () => standIn.requests.flatMap(({ body }) => body.input ?? []),
    handle: () => false,
    voice: toneVoice,
    reply: () => 'Yes.',
    ...{ mostWords: Infinity, speed: Infinity, mostAtOnce: 0 },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part as Buffer);
    const request: StandInRequest = {
      ...{ path: incoming.url ?? '', headers: incoming.headers, atMs: performance.now() },
      body: JSON.parse(Buffer.concat(parts).toString('utf8')) as StandInRequest['body'],
      ...{ isAborted: false, isAnswered: false },
    };
    standIn.requests.push(request);
    response.on('close', () => {
      request.isAborted = !response.writableFinished;
      request.isAnswered = response.writableFinished;
    });
    if (await standIn.handle(request, response)) return;
    if (request.path === '/v1/audio/speech') {
      standIn.mostAtOnce = Math.max(standIn.mostAtOnce, (atOnce += 1));
      await speak(request, response).finally(() => (atOnce -= 1));
    } else if (request.path === '/v1/chat/completions') chat(request, response);
    else response.writeHead(404).end();
  }

  async function speak(request: StandInRequest, response: ServerResponse): Promise<void> {
    const pcm = await standIn.voice(request.body.input ?? '');
    if (request.body['response_format'] === 'wav') {
      response.writeHead(200, { 'content-type': 'audio/wav' }).end(wavOf(pcm));
      return;
    }
    response.writeHead(200, { 'content-type': 'audio/pcm' });
    const size = (RATE * 2 * PIECE_MS) / 1000;
    for (let at = 0; at < pcm.length && !response.destroyed; at += size) {
      if (!response.write(pcm.subarray(at, at + size)))
        await Promise.race([once(response, 'drain'), once(response, 'close')]);
      await pause(PIECE_MS / standIn.speed);
    }
    response.end();
  }

  function chat(request: StandInRequest, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const send = (delta: object): void =>
      void response.write(
        `data: ${JSON.stringify({ object: 'chat.completion.chunk', choices: [{ index: 0, delta }] })}\n\n`,
      );
    send({ role: 'assistant', content: '' });
    const words = standIn.reply(request).match(/\S+\s*/g) ?? [];
    for (const word of words.slice(0, standIn.mostWords)) send({ content: word });
    if (words.length > standIn.mostWords) return;
    response.end('data: [DONE]\n\n');
  }

  return standIn;
}

export function toneVoice(text: string): Promise<Uint8Array> {
  return Promise.resolve(voice(RATE, toneMs(text)));
}

/** espeak-ng's voice at 24 kHz; undefined where it is not installed (Debian: espeak-ng). */
export async function espeakVoice(): Promise<((text: string) => Promise<Uint8Array>) | undefined> {
  const run = promisify(execFile);
  try {
    await run('espeak-ng', ['--version']);
  } catch {
    return undefined;
  }
  return async (text) => {
    const { stdout } = await run('espeak-ng', ['--stdout', '--', text], {
      encoding: 'buffer',
      maxBuffer: 64 * 2 ** 20,
    });
    const from = stdout.readUInt32LE(24);
    const mono = new Int16Array(
      stdout.buffer.slice(stdout.byteOffset + 44, stdout.byteOffset + stdout.length - (stdout.length % 2)),
    );
    const resampled = Int16Array.from({ length: Math.floor((mono.length * RATE) / from) }, (_, i) => {
      const at = (i * from) / RATE;
      const [low = 0, high = low] = mono.subarray(Math.floor(at), Math.floor(at) + 2);
      return low + (high - low) * (at % 1);
    });
    return new Uint8Array(resampled.buffer);
  };
}

function wavOf(pcm: Uint8Array): Buffer {
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + pcm.length, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(RATE, 24);
  head.writeUInt32LE(2 * RATE, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(pcm.length, 40);
  return Buffer.concat([head, pcm]);
}

function pause(ms: number): Promise<void> {
  return ms <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms));
}
