import type { PageInterrupt, Talk } from './talk-page.js';

/** Louder than any coding noise, quieter than voice (live-sound.ts). */
const LOUD = 0.01;
const PIECE_MS = 10;

/** `a` less `b` on the circle of RTP time stamps. */
export function ticksBetween(a: number, b: number): number {
  return (a - b) | 0;
}

/** When the first picture of that RTP time or later was shown. */
export function shownAt({ pictures }: Talk, rtp: number, afterMs = -Infinity): number | undefined {
  return pictures.find((one) => one.shownMs > afterMs && ticksBetween(one.rtp, rtp) >= 0)?.shownMs;
}

/** When sound began to be heard, the one that is nearest to a moment; and when it was last heard before silence. */
export function onsetNear({ sound }: Talk, atMs: number): number | undefined {
  const onsets = sound
    .filter(({ rms }, at) => rms > LOUD && quietBefore(sound, at))
    .map(({ heardMs }) => heardMs);
  return nearest(onsets, atMs);
}

export function endNear({ sound }: Talk, atMs: number): number | undefined {
  const ends = sound
    .filter(({ rms }, at) => rms > LOUD && quietAfter(sound, at))
    .map(({ heardMs }) => heardMs + PIECE_MS);
  return nearest(ends, atMs);
}

const QUIET_PIECES = 8;

function quietBefore(sound: Talk['sound'], at: number): boolean {
  return at >= QUIET_PIECES && sound.slice(at - QUIET_PIECES, at).every(({ rms }) => rms <= LOUD);
}

function quietAfter(sound: Talk['sound'], at: number): boolean {
  const after = sound.slice(at + 1, at + 1 + QUIET_PIECES);
  return after.length === QUIET_PIECES && after.every(({ rms }) => rms <= LOUD);
}

function nearest(values: readonly number[], to: number): number | undefined {
  return values.reduce<number | undefined>(
    (best, one) => (best === undefined || Math.abs(one - to) < Math.abs(best - to) ? one : best),
    undefined,
  );
}

/** From an interrupt's request to silence and to a shut mouth, at the viewer. */
export function stopOf(
  talk: Talk,
  interrupt: PageInterrupt,
): { silentMs: number; shutMs: number } | undefined {
  const silentAtMs = endNear(talk, interrupt.atMs);
  const shut = interrupt.shutAt?.rtp.video;
  const shutAtMs = shut === undefined ? undefined : shownAt(talk, shut, interrupt.atMs);
  if (silentAtMs === undefined || shutAtMs === undefined) return undefined;
  return { silentMs: silentAtMs - interrupt.atMs, shutMs: shutAtMs - interrupt.atMs };
}

export function merged(talks: readonly Talk[]): Talk {
  return {
    pictures: talks.flatMap(({ pictures }) => pictures),
    sound: talks.flatMap(({ sound }) => sound),
    events: talks.flatMap(({ events }) => events),
  };
}
