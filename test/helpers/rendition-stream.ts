import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { TestContext } from 'node:test';
import type { Ffmpeg } from '../../src/adapters/ffmpeg.js';
import type { AvatarStore } from '../../src/avatar/store.js';
import type { EngineStream } from '../../src/engine/engine.js';
import { silentLog } from '../../src/lib/log.js';
import { i420SizeBytes, type RenditionName } from '../../src/media/frame.js';
import { MediaStream } from '../../src/worker/media-stream.js';
import type { FromWorker } from '../../src/worker/protocol.js';
import { temporaryFolder, testFfmpeg } from './media.js';
import { movingPicture } from './moving-picture.js';
import { noLandmarks, syntheticAvatar } from './synthetic-avatar.js';

export const SOURCE = { widthPx: 256, heightPx: 192 } as const;
export const HIGH_BPS = 400_000;
export const HIGH = { name: 'high', ...SOURCE, bitrateBps: HIGH_BPS } as const;
export const LOW = { name: 'low', widthPx: 128, heightPx: 96, bitrateBps: 60_000 } as const;

type Picture = Extract<FromWorker, { type: 'picture' }>;

export interface ArrangedRenditions {
  readonly media: MediaStream;
  readonly sent: FromWorker[];
  pictures(rendition: RenditionName): Picture[];
  /** Sound of one picture; resolves when the picture was drawn. */
  draw(): Promise<void>;
  /** Draws a picture every 10 ms until the condition holds. */
  drawUntil(condition: () => boolean): Promise<void>;
  /** Process ids of the encoders started so far that scale (`extra`) or do not, in order. */
  encoders(kind: 'extra' | 'full'): Promise<number[]>;
}

/** An ffmpeg that leaves the ids of its processes, apart for those that scale (`extra`) and those that do not. */
export async function tracedFfmpeg(
  t: TestContext,
): Promise<{ ffmpeg: Ffmpeg; encoders: ArrangedRenditions['encoders'] }> {
  const folder = await temporaryFolder(t);
  const ffmpeg = await testFfmpeg();
  const wrapper = path.join(folder, 'ffmpeg.sh');
  const script = `#!/bin/sh
case "$*" in *scale=*) echo $$ >> '${folder}/extra' ;; *) echo $$ >> '${folder}/full' ;; esac
exec '${ffmpeg.path}' "$@"
`;
  await writeFile(wrapper, script, { mode: 0o755 });
  return {
    ffmpeg: { ...ffmpeg, path: wrapper },
    encoders: async (kind) =>
      (await readFile(path.join(folder, kind), 'utf8')).trim().split('\n').map(Number),
  };
}

/** A real MediaStream over real ffmpegs, whose engine draws a moving picture for every 40 ms of sound. */
export async function arrangeRenditions(t: TestContext): Promise<ArrangedRenditions> {
  const { ffmpeg, encoders } = await tracedFfmpeg(t);
  const sent: FromWorker[] = [];
  let drawn = 0;
  let asked = 0;
  const buffer = new Uint8Array(i420SizeBytes(SOURCE.widthPx, SOURCE.heightPx));
  const stream: EngineStream = {
    lookaheadMs: 0,
    async *push() {
      try {
        yield movingPicture(SOURCE.widthPx, SOURCE.heightPx, drawn, buffer);
      } finally {
        // The engine draws into its buffer again: nothing may still be read from it.
        buffer.fill(255);
        drawn += 1;
      }
    },
    skip: () => {},
    close: () => Promise.resolve(),
  };
  const avatar = syntheticAvatar({ ...SOURCE, landmarks: [noLandmarks()] });
  const media = await MediaStream.create({
    ...{ streamId: 1, avatarId: 'a', fps: 25, bitrateBps: HIGH_BPS, firstIndex: 0, log: silentLog },
    store: { open: () => Promise.resolve(avatar) } as unknown as AvatarStore,
    engine: { name: 'cpu', open: () => Promise.resolve(stream), close: () => Promise.resolve() },
    ffmpeg,
    send: (message) => sent.push(message),
  });
  t.after(() => media.close());
  const draw = async (): Promise<void> => {
    media.pushSound(new Float32Array(640));
    asked += 1;
    while (drawn < asked) await pause(1, undefined, { signal: t.signal });
  };
  return {
    media,
    sent,
    pictures: (rendition) =>
      sent.filter(
        (message): message is Picture => message.type === 'picture' && message.rendition === rendition,
      ),
    draw,
    async drawUntil(condition) {
      while (!condition()) {
        await draw();
        await pause(10, undefined, { signal: t.signal });
      }
    },
    encoders,
  };
}
