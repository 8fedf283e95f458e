import path from 'node:path';
import { writeBeeps } from './beeps.js';
import { postJsonTo, startTestServer, type TestServer } from './server.js';
import { storeAvatar } from './stored-avatar.js';

export const FLASH_FPS = 25;
const AVATAR = 'flash';
const BEEPS_FILE = 'beeps.wav';
/** One utterance; longer sound is this one again and again. */
export const BEEPS_SECONDS = 60;

export interface FlashSession {
  readonly id: string;
  readonly whepUrl: string;
  /** Queues another minute of beeps behind what is queued. */
  beep(): Promise<void>;
  end(): Promise<void>;
}

/** A real server in a process of its own whose sessions flash at every beep (see flash-engine.ts). */
export class FlashServer {
  readonly server: TestServer;

  private constructor(server: TestServer) {
    this.server = server;
  }

  /** @param flags the server's own options */
  static async start(
    options: { flags?: readonly string[]; widthPx?: number; heightPx?: number } = {},
  ): Promise<FlashServer> {
    const { flags = [], widthPx = 512, heightPx = 512 } = options;
    const server = await startTestServer(flags, 'dist/test/helpers/flash-server-process.js');
    try {
      await storeAvatar(path.join(server.dataDir, 'avatars'), AVATAR, { widthPx, heightPx });
      await writeBeeps(path.join(server.dataDir, BEEPS_FILE), BEEPS_SECONDS);
      return new FlashServer(server);
    } catch (error) {
      await server.close();
      throw error;
    }
  }

  /** @throws with the server's answer if there is no session */
  async open(): Promise<FlashSession> {
    const { status, json } = await postJsonTo(this.server, '/v1/sessions', {
      avatar: AVATAR,
      fps: FLASH_FPS,
    });
    if (status !== 201) throw new Error(`no session: ${status} ${JSON.stringify(json)}`);
    const id = String(json['id']);
    return {
      id,
      whepUrl: `${this.server.url}/whep/${id}`,
      beep: async () => {
        const said = await postJsonTo(this.server, `/v1/sessions/${id}/utterances`, { path: BEEPS_FILE });
        if (said.status !== 201) throw new Error(`no beeps: ${said.status} ${JSON.stringify(said.json)}`);
      },
      end: async () => {
        await fetch(`${this.server.url}/v1/sessions/${id}`, { method: 'DELETE' });
      },
    };
  }

  /** When media time 0 of the session was, Unix ms of the same clock that the pictures tell; good to about 1 ms. */
  async startedMs(sessionId: string): Promise<number> {
    const askedMs = Date.now();
    const response = await fetch(`${this.server.url}/v1/sessions/${sessionId}`);
    const { stats } = (await response.json()) as { stats: { mediaMs: number } };
    return (askedMs + Date.now()) / 2 - stats.mediaMs;
  }

  close(): Promise<void> {
    return this.server.close();
  }
}
