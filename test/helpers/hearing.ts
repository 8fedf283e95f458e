import { readFileSync } from 'node:fs';
import path from 'node:path';
import { OnnxModel } from '../../src/adapters/onnx.js';
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
