/** Numbers 0..1 that are the same every time (Numerical Recipes' linear congruence). */
export function lcg(seed: number): () => number {
  let state = seed >>> 0;
  return () => (state = (Math.imul(1664525, state) + 1013904223) >>> 0) / 2 ** 32;
}

/** PCM16LE mono of a voice-like tone: 150 Hz with overtones, beating four times a second. */
export function voice(rate: number, ms: number, level = 9000): Uint8Array {
  const samples = Int16Array.from({ length: (ms * rate) / 1000 }, (_, i) => {
    const t = i / rate;
    const beat = 0.55 + 0.45 * Math.sin(2 * Math.PI * 4 * t);
    const tone = [1, 2, 3, 4, 6, 9].reduce((sum, k) => sum + Math.sin(2 * Math.PI * 150 * k * t) / k, 0);
    return level * beat * 0.5 * tone;
  });
  return new Uint8Array(samples.buffer);
}
