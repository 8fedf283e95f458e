import { readFileSync } from 'node:fs';
import path from 'node:path';
import { OnnxModel } from '../../src/adapters/onnx.js';
import type { MuseTalkEar } from '../../src/engine/musetalk/hearing/musetalk-ear.js';
import { addPositions } from '../../src/engine/musetalk/hearing/positional-encoding.js';
import { ROW_VALUES, type WhisperEncode } from '../../src/engine/musetalk/hearing/whisper-states.js';

const FIXTURES = path.resolve(process.cwd(), 'test/fixtures/musetalk');

export function readGoldens(name: 'goldens.json' | 'stubs/stub-goldens.json'): unknown {
  return JSON.parse(readFileSync(path.join(FIXTURES, name), 'utf8'));
}

/** The stand-in encoder (row r is the mean of mel frames 2r and 2r + 1, mapped to 384, in five scales). */
export async function stubEncoder(): Promise<{ encode: WhisperEncode; close: () => Promise<void> }> {
  const model = await OnnxModel.load(path.join(FIXTURES, 'stubs/whisper_encoder.onnx'));
  const encode: WhisperEncode = async (mel, rows) => {
    const outputs = await model.run({ input_features: { data: mel, dims: [1, 80, 3000] } });
    return outputs['audio_features_all_layers']!.data.slice(0, rows * ROW_VALUES);
  };
  return { encode, close: () => model.close() };
}

/**
 * A rough voice, the same each time: a buzz in syllables of 220 ms whose colour glides, and so much hiss that no mel
 * value ever lies on the floor under the loudest one (which depends on how much is heard at once).
 */
export function babble(seconds: number): Float32Array {
  let seed = 22;
  return Float32Array.from({ length: seconds * 16_000 }, (_, n) => {
    seed = (Math.imul(1664525, seed) + 1013904223) >>> 0;
    const time = n / 16_000;
    const syllable = Math.max(0, Math.sin((2 * Math.PI * time) / 0.44));
    const colour = 700 + 400 * Math.sin(2 * Math.PI * 1.3 * time);
    const buzz = Math.sin(2 * Math.PI * 120 * time) + 0.5 * Math.sin((2 * Math.PI * colour * n) / 16_000);
    return 0.05 * syllable * buzz + 0.2 * (seed / 2 ** 32 - 0.5);
  });
}

/** The samples of a RIFF file of 16-bit mono sound. */
export function readWav(file: string): Float32Array {
  const bytes = readFileSync(file);
  const data = bytes.indexOf('data') + 8;
  return Float32Array.from(
    { length: (bytes.length - data) >> 1 },
    (_, i) => bytes.readInt16LE(data + 2 * i) / 32_768,
  );
}

export function cosine(a: Float32Array, b: Float32Array): number {
  let product = 0;
  let ofA = 0;
  let ofB = 0;
  a.forEach((value, i) => {
    product += value * b[i]!;
    ofA += value * value;
    ofB += b[i]! * b[i]!;
  });
  return product / Math.sqrt(ofA * ofB);
}

/** Lets everything go on that waits for nothing but its turn. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Each row's first 80 numbers are mel frames 2r and 2r + 1 added up; `runs` holds how many rows each run was asked for. */
export function melEncoder(): { encode: WhisperEncode; runs: number[] } {
  const runs: number[] = [];
  const encode: WhisperEncode = (mel, rows) => {
    runs.push(rows);
    const states = new Float32Array(rows * ROW_VALUES);
    for (let row = 0; row < rows; row++) {
      for (let band = 0; band < 80; band++) {
        const at = band * 3000 + 2 * row;
        states[row * ROW_VALUES + band] = mel[at]! + mel[at + 1]!;
      }
    }
    return Promise.resolve(states);
  };
  return { encode, runs };
}

/** Pushes `sound` in pieces of 20 ms and asks for each picture as soon as the ear says that it can be complete. */
export async function listenLive(
  ear: MuseTalkEar,
  sound: Float32Array,
  fps: number,
): Promise<Float32Array[]> {
  const asked: Promise<Float32Array>[] = [];
  for (let at = 0; at < sound.length; at += 320) {
    ear.push(sound.subarray(at, at + 320));
    const untilMs = (at + 320) / 16 - ear.lookaheadMs;
    while ((asked.length * 1000) / fps <= untilMs) asked.push(ear.features((asked.length * 1000) / fps));
    await turn();
  }
  return Promise.all(asked);
}

/** Features with the positional encoding taken out again. */
export function withoutPositions(features: Float32Array): Float32Array {
  const positions = new Float32Array(features.length);
  addPositions(positions);
  return features.map((value, i) => value - positions[i]!);
}
