import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Box } from '../../src/media/frame.js';
import { greenness, meanColours, MjpegViewer } from './mjpeg.js';
import { until, type TestServer } from './server.js';

export interface SessionView {
  id: string;
  state: string;
  viewers: number;
  engine: string;
  engineMode: string;
  engineReason: string;
  rendering: { progress: number }[];
  stats: Record<string, number>;
}

/** A running server as the tests of generated faces use it. */
export class FaceServer {
  readonly server: TestServer;
  readonly avatarsDir: string;

  constructor(server: TestServer, avatarsDir = path.join(server.dataDir, 'avatars')) {
    this.server = server;
    this.avatarsDir = avatarsDir;
  }

  async post(
    route: string,
    body: object,
  ): Promise<{ status: number; json: Record<string, unknown>; text: string }> {
    const response = await fetch(this.server.url + route, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, text, json: JSON.parse(text) as Record<string, unknown> };
  }

  /** Starts a session. @throws with the answer if it is not one */
  async open(body: object): Promise<SessionView> {
    const { status, text, json } = await this.post('/v1/sessions', body);
    if (status !== 201) throw new Error(`no session: ${status} ${text}`);
    return json as unknown as SessionView;
  }

  async session(id: string): Promise<SessionView> {
    return (await (await fetch(`${this.server.url}/v1/sessions/${id}`)).json()) as SessionView;
  }

  async end(id: string): Promise<void> {
    await fetch(`${this.server.url}/v1/sessions/${id}`, { method: 'DELETE' });
  }

  async avatar(id: string): Promise<Record<string, unknown>> {
    return (await (await fetch(`${this.server.url}/v1/avatars/${id}`)).json()) as Record<string, unknown>;
  }

  async say(id: string, file: string): Promise<string> {
    const { status, text, json } = await this.post(`/v1/sessions/${id}/utterances`, { path: file });
    if (status !== 201) throw new Error(`no utterance: ${status} ${text}`);
    return String(json['utteranceId']);
  }

  watch(id: string): Promise<MjpegViewer> {
    return MjpegViewer.open(`${this.server.url}/api/stream/${id}`);
  }

  /** Listens until the utterances that are said from now on have ended; gives how long each was heard. */
  async hearEnds(id: string): Promise<{ playedMs: () => number[]; close(): Promise<void> }> {
    const abort = new AbortController();
    const response = await fetch(`${this.server.url}/v1/sessions/${id}/events`, { signal: abort.signal });
    let told = '';
    const reading = (async () => {
      for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>)
        told += Buffer.from(piece).toString();
    })().catch(() => {});
    return {
      playedMs: () =>
        [...told.matchAll(/event: utterance\.ended\ndata: (.*)/g)].map(
          ([, data]) => (JSON.parse(data!) as { playedMs: number }).playedMs,
        ),
      async close() {
        abort.abort();
        await reading;
      },
    };
  }

  /** What was prepared of an avatar: a box and the extent of a mask each picture. */
  async material(id: string, family = 'musetalk'): Promise<{ box: Box; mask: { area: Box } }[]> {
    const file = path.join(this.avatarsDir, id, family, 'material.json');
    return (JSON.parse(await readFile(file, 'utf8')) as { pictures: { box: Box; mask: { area: Box } }[] })
      .pictures;
  }

  /** The middle of the lower half of the first picture's box: all of it is drawn where faces are generated. */
  async mouth(id: string, family = 'musetalk'): Promise<Box> {
    const { x1, y1, x2, y2 } = (await this.material(id, family))[0]!.box;
    const inset = (x2 - x1) * 0.3;
    return {
      x1: Math.round(x1 + inset),
      x2: Math.round(x2 - inset),
      y1: Math.round(y1 + (y2 - y1) * 0.62),
      y2: Math.round(y1 + (y2 - y1) * 0.82),
    };
  }

  /** Waits until a picture has a green mouth (`painted`), or one has none. */
  async untilMouth(viewer: MjpegViewer, mouth: Box, painted: boolean, limitMs = 20_000): Promise<void> {
    viewer.take();
    await until(
      painted ? 'a generated mouth' : 'the own mouth',
      async () => {
        const latest = viewer.take().slice(-1);
        const [colour] = await meanColours(latest, mouth);
        if (colour === undefined) return undefined;
        const green = greenness(colour);
        return (painted ? green > 60 : green < 20) || undefined;
      },
      limitMs,
    );
  }

  /** Processes of the server whose command line holds all of these texts. */
  async pids(...marks: readonly string[]): Promise<number[]> {
    const { pid } = this.server.child;
    const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ');
    const found: number[] = [];
    for (const child of children) {
      const line = await readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '');
      if (marks.every((mark) => line.includes(mark))) found.push(Number(child));
    }
    return found;
  }

  /** The worker of generated faces. */
  faceWorkerPid(): Promise<number> {
    // The kernel may leave a child out of the list while others come and go.
    return until(
      'the worker of generated faces',
      async () => (await this.pids('worker/child.js', '"face":'))[0],
    );
  }
}

/** True where processes can be found through /proc. */
export async function hasProc(): Promise<boolean> {
  return readdir('/proc/self/task').then(
    () => true,
    () => false,
  );
}
