import { seededRandom } from '../../../src/engine/still/seeded-random.js';

/** Sounds that nobody speaks, 16 kHz mono. All are made here and are the same every time. */
export interface Noise {
  readonly name: string;
  readonly pcm: Float32Array;
}

const RATE_HZ = 16_000;
const LENGTH_S = 10;
const LENGTH = RATE_HZ * LENGTH_S;

export function noises(): Noise[] {
  const levels = [-30, -40, -50, -60];
  return [
    { name: 'silence', pcm: new Float32Array(LENGTH) },
    ...levels.map((db) => ({ name: `white noise ${db} dB`, pcm: scaledTo(white(1), db) })),
    ...levels.map((db) => ({ name: `pink noise ${db} dB`, pcm: scaledTo(pink(2), db) })),
    { name: 'mains hum -30 dB', pcm: scaledTo(hum(), -30) },
    { name: 'breath -38 dB', pcm: scaledTo(breath(), -38) },
    { name: 'keys and clicks -30 dB', pcm: scaledTo(clicks(), -30) },
    { name: 'chords -20 dB', pcm: scaledTo(chords(), -20) },
    { name: 'drums -20 dB', pcm: scaledTo(drums(), -20) },
    { name: 'chords and drums -20 dB', pcm: scaledTo(mixed(chords(), drums()), -20) },
  ];
}

/** To a mean power of `db` below full scale (a full-scale square wave is 0 dB). */
function scaledTo(pcm: Float32Array, db: number): Float32Array {
  const power = pcm.reduce((sum, value) => sum + value * value, 0) / pcm.length;
  const gain = 10 ** (db / 20) / Math.sqrt(power);
  return pcm.map((value) => Math.min(1, Math.max(-1, value * gain)));
}

function white(seed: number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: LENGTH }, () => random() + random() + random() - 1.5);
}

/** White noise through three poles and zeros that fall by about 3 dB an octave (Paul Kellet's economy filter). */
function pink(seed: number): Float32Array {
  let [a, b, c] = [0, 0, 0];
  return white(seed).map((value) => {
    a = 0.99765 * a + value * 0.099046;
    b = 0.963 * b + value * 0.2965164;
    c = 0.57 * c + value * 1.0526913;
    return a + b + c + value * 0.1848;
  });
}

function hum(): Float32Array {
  return tone((timeS) =>
    [1, 2, 3, 5, 7].reduce((sum, n) => sum + Math.sin(2 * Math.PI * 50 * n * timeS) / n, 0),
  );
}

/** In and out every 2.5 s, through a throat that lets the middle pass: two resonances, no voice. */
function breath(): Float32Array {
  const air = pink(3);
  const low = resonance(air, 700, 400);
  const high = resonance(air, 1800, 700);
  return air.map((_, k) => {
    const phase = ((k / RATE_HZ) % 2.5) / 0.9;
    return phase < 1 ? Math.sin(Math.PI * phase) ** 2 * (low[k]! + 0.6 * high[k]!) : 0;
  });
}

function resonance(pcm: Float32Array, hz: number, bandHz: number): Float32Array {
  const radius = Math.exp((-Math.PI * bandHz) / RATE_HZ);
  const turn = 2 * radius * Math.cos((2 * Math.PI * hz) / RATE_HZ);
  let [last, before] = [0, 0];
  return pcm.map((value) => {
    const next = value * (1 - radius) + turn * last - radius * radius * before;
    [before, last] = [last, next];
    return next;
  });
}

/** Short bursts of noise, four to six a second, unevenly. */
function clicks(): Float32Array {
  const random = seededRandom(4);
  const noise = white(5);
  const pcm = new Float32Array(LENGTH);
  for (let at = 4000; at < LENGTH - 2000; at += 2700 + Math.floor(random() * 1500)) {
    const strength = 0.3 + random();
    for (let k = 0; k < 600; k += 1) pcm[at + k] = strength * noise[at + k]! * Math.exp(-k / 90);
  }
  return pcm;
}

/** A triad of bright plucked tones every 600 ms. */
function chords(): Float32Array {
  const roots = [220, 174.61, 261.63, 196];
  return tone((timeS) => {
    const beat = Math.floor(timeS / 0.6);
    const since = timeS - beat * 0.6;
    const root = roots[beat % roots.length]!;
    const triad = [1, 1.2599, 1.4983].reduce((sum, ratio) => sum + bright(root * ratio, timeS), 0);
    return triad * Math.min(1, since / 0.01) * Math.exp(-since / 0.4);
  });
}

function bright(hz: number, timeS: number): number {
  let sum = 0;
  for (let n = 1; n <= 8; n += 1) sum += Math.sin(2 * Math.PI * hz * n * timeS) / n;
  return sum;
}

/** Bass drum and snare in turn every 300 ms, a cymbal between. */
function drums(): Float32Array {
  const noise = white(6);
  return tone((timeS, k) => {
    const beat = Math.floor(timeS / 0.3);
    const since = timeS - beat * 0.3;
    const cymbal = noise[k]! * 0.2 * Math.exp(-((since + 0.15) % 0.3) / 0.02);
    const drum =
      beat % 2 === 0
        ? Math.sin(2 * Math.PI * (50 * since + 4 * (1 - Math.exp(-since / 0.03)))) * Math.exp(-since / 0.12)
        : noise[k]! * 0.8 * Math.exp(-since / 0.06);
    return drum + cymbal;
  });
}

function mixed(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, k) => value * 0.3 + b[k]!);
}

function tone(at: (timeS: number, sample: number) => number): Float32Array {
  return Float32Array.from({ length: LENGTH }, (_, k) => at(k / RATE_HZ, k));
}
