import { setImmediate } from 'node:timers/promises';
import { ENGINE_RATE } from '../../media/timeline.js';
import { SpeechGate } from './speech-gate.js';

/** Looked at in one go, in 2 ms; sessions of the same process draw in between. */
const PIECE_SAMPLES = ENGINE_RATE;

/**
 * How much of a generated mouth each picture of an utterance (16 kHz mono) shows, and the sound with as much silence
 * behind it as the last of them need: speech goes on for a moment behind its last sound, and the mouth then fades.
 * Pictures begin within the sound or show a mouth. Lets others have their turn. @throws the signal's reason
 */
export async function utteranceWithRest(
  pcm: Float32Array,
  fps: number,
  signal?: AbortSignal,
): Promise<{ sound: Float32Array; strengths: number[] }> {
  const gate = new SpeechGate();
  for (let at = 0; at < pcm.length; at += PIECE_SAMPLES) {
    signal?.throwIfAborted();
    gate.push(pcm.subarray(at, at + PIECE_SAMPLES));
    await setImmediate();
  }
  signal?.throwIfAborted();
  // The gate looks a little ahead of each picture, and knows a frame of sound once all of it is there.
  gate.push(new Float32Array(PIECE_SAMPLES));
  const strengths: number[] = [];
  const sounding = Math.ceil((pcm.length * fps) / ENGINE_RATE);
  while (strengths.length < sounding || (strengths.at(-1) ?? 0) > 0)
    strengths.push(gate.strength((strengths.length * 1000) / fps));
  if (sounding === 0) return { sound: pcm, strengths };
  // Ears count whole pictures; half a one more keeps rounding from losing the last.
  const sound = new Float32Array(Math.ceil(((strengths.length + 0.5) * ENGINE_RATE) / fps));
  sound.set(pcm);
  return { sound, strengths };
}
