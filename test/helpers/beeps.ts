import { writeFile } from 'node:fs/promises';

export const BEEP_HZ = 1000;
export const BEEP_MS = 60;
export const BEEP_AMPLITUDE = 0.5;
const RATE = 48_000;
/** Gaps from 800 to 1200 ms, so that flash and beep cannot be paired one off without the figures flying apart. */
const GAP_MS = 800;
const GAP_STEP_MS = 40;
const GAP_STEPS = 11;

/** When beeps begin within `seconds` of sound: multiples of 40 ms, the time of a picture; the same every time. */
export function beepTimesMs(seconds: number): number[] {
  const times: number[] = [];
  let state = 7;
  for (let at = GAP_MS; at + BEEP_MS < seconds * 1000;) {
    times.push(at);
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    at += GAP_MS + GAP_STEP_MS * Math.floor((state / 2 ** 32) * GAP_STEPS);
  }
  return times;
}

/** Writes 48 kHz mono sound of 1 kHz beeps with hard edges and digital silence between (a 16-bit RIFF file). */
export async function writeBeeps(file: string, seconds: number): Promise<void> {
  const pcm = new Int16Array(seconds * RATE);
  for (const startMs of beepTimesMs(seconds)) {
    const from = (startMs * RATE) / 1000;
    for (let i = 0; i < (BEEP_MS * RATE) / 1000; i += 1)
      pcm[from + i] = Math.round(32_767 * BEEP_AMPLITUDE * Math.sin((2 * Math.PI * BEEP_HZ * i) / RATE));
  }
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + pcm.byteLength, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20); // PCM
  head.writeUInt16LE(1, 22); // mono
  head.writeUInt32LE(RATE, 24);
  head.writeUInt32LE(RATE * 2, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(pcm.byteLength, 40);
  await writeFile(file, Buffer.concat([head, Buffer.from(pcm.buffer)]));
}
