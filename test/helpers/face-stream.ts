import assert from 'node:assert/strict';
import type { AvatarSource, Take } from '../../src/engine/engine.js';
import type { FaceEar } from '../../src/engine/faces/face-family.js';
import type { FaceMaterial } from '../../src/engine/faces/face-material.js';
import { FaceStream } from '../../src/engine/faces/face-stream.js';
import { footageIndex, type Footage } from '../../src/engine/faces/footage.js';
import type { RgbImage } from '../../src/media/frame.js';
import { deferred, type Deferred } from './deferred.js';

export const EAR_MS = 100;
export const PIPELINE_MS = 80;

export interface ArrangedStream {
  readonly stream: FaceStream;
  /** Pictures whose face was asked for. */
  readonly asked: number[];
  readonly answers: Deferred<RgbImage>[];
  readonly pasted: { value: number; strength: number }[];
  readonly faults: unknown[];
  /** Requests that were given up. */
  readonly aborted: number[];
  readonly closed: { ear: number; material: number };
}

/** A stream whose pictures hold ten times the footage's index in their first byte and, where pasted, the face's in their second. */
export function arrangeStream(
  options: {
    speaking?: (timeMs: number) => number;
    still?: boolean;
    fps?: number;
    pipelineMs?: number;
    senseMs?: number;
    frameCount?: number;
    /** The networks do not hear that a face is given up. */
    deaf?: boolean;
    /** The material's inputs cannot be read. */
    broken?: boolean;
  } = {},
): ArrangedStream {
  const { still = false, fps = 25, pipelineMs = PIPELINE_MS, senseMs = 0, frameCount = 5 } = options;
  const asked: number[] = [];
  const answers: Deferred<RgbImage>[] = [];
  const pasted: { value: number; strength: number }[] = [];
  const faults: unknown[] = [];
  const aborted: number[] = [];
  const closed = { ear: 0, material: 0 };
  let forgotten = 0;
  const ear: FaceEar = {
    lookaheadMs: EAR_MS,
    push: () => {},
    features: (timeMs) => Promise.resolve(Float32Array.of(timeMs)),
    close: () => (closed.ear += 1),
  };
  const avatar = {
    id: 'a',
    widthPx: 4,
    heightPx: 4,
    frameCount: still ? 1 : frameCount,
    fps: 25,
    still,
  } as unknown as AvatarSource;
  const area = { x1: 0, y1: 0, x2: 2, y2: 2 };
  const material: FaceMaterial = {
    frameCount: avatar.frameCount,
    box: () => area,
    mask: () => ({ area, alpha: new Uint8Array(4) }),
    inputs(index) {
      if (options.broken) throw new Error(`it ends within picture ${index}`);
      return Float32Array.of(index);
    },
    close: () => (closed.material += 1),
  };
  const footage = {
    still,
    indexAt: (step: number) => footageIndex(avatar, fps, step),
    draw(target: Uint8Array, index: number, _timeMs: number, paint: (picture: Uint8Array) => void) {
      target.fill(0);
      target[0] = index * 10;
      paint(target);
    },
  } as unknown as Footage;
  const stream = new FaceStream({
    avatar,
    material,
    fps,
    ear,
    sense: {
      lookaheadMs: senseMs,
      push: () => {},
      strength: (timeMs) => (forgotten > 0 ? 0 : (options.speaking?.(timeMs) ?? 1)),
      forget: () => (forgotten += 1),
    },
    generate(inputs, features, signal) {
      const picture = Math.round((features[0]! * fps) / 1000);
      asked.push(picture);
      const answer = deferred<RgbImage>();
      answers.push(answer);
      signal.addEventListener('abort', () => {
        aborted.push(picture);
        if (!options.deaf) answer.reject(signal.reason);
      });
      assert.equal(inputs[0], footage.indexAt(picture), 'the input belongs to the picture');
      return answer.promise;
    },
    paste(picture, face, _box, _mask, strength) {
      picture[1] = face.data[0]!;
      pasted.push({ value: face.data[0]!, strength });
    },
    pipelineMs,
    onFault: (error) => faults.push(error),
    footage,
  });
  return { stream, asked, answers, pasted, faults, aborted, closed };
}

export function face(value: number): RgbImage {
  return { widthPx: 1, heightPx: 1, data: Uint8Array.of(value, 0, 0) };
}

/** A take whose faces are `first`, `first + 1`, ... and which counts how often it was closed. */
export function takeOf(pictureCount: number, first: number, strength = 1): Take & { closed: number } {
  return {
    pictureCount,
    face(index) {
      assert.equal(this.closed, 0, `face ${index} of a take that is closed`);
      return face(first + index);
    },
    strength: () => strength,
    closed: 0,
    close() {
      this.closed += 1;
    },
  };
}

export const settle = () => new Promise((resolve) => setImmediate(resolve));

/** Pushes silence; gives the first two bytes of each picture. */
export async function drain(stream: FaceStream, ms: number): Promise<number[][]> {
  const pictures: number[][] = [];
  for await (const { data } of stream.push(new Float32Array(ms * 16))) pictures.push([data[0]!, data[1]!]);
  return pictures;
}
