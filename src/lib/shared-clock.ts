import type { Clock } from './clock.js';

/** One moment as a clock sees it; the high-resolution time (ns) is the same in all threads of a process. */
export interface ClockMoment {
  readonly hrtimeNs: bigint;
  readonly nowMs: number;
  readonly wallMs: number;
}

/** A thread may be stopped between two readings: of so many tries the quickest counts. */
const TRIES = 5;

export function momentOf(clock: Clock): ClockMoment {
  let best: (ClockMoment & { readonly tookNs: bigint }) | undefined;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const hrtimeNs = process.hrtime.bigint();
    const moment = { hrtimeNs, nowMs: clock.now(), wallMs: clock.wall() };
    const tookNs = process.hrtime.bigint() - hrtimeNs;
    if (best === undefined || tookNs < best.tookNs) best = { ...moment, tookNs };
  }
  const { hrtimeNs = 0n, nowMs = 0, wallMs = 0 } = best ?? {};
  return { hrtimeNs, nowMs, wallMs };
}

/**
 * The clock of another thread, here: where `performance.now()` counts from is each thread's own affair, and a wall clock
 * read here could have been set since. Both run at the same rate, so the offsets are taken once.
 */
export function clockLike(moment: ClockMoment): Clock {
  const now = (): number => performance.now();
  const here = momentOf({ now, wall: now, after: () => () => {} });
  const sinceMs = Number(here.hrtimeNs - moment.hrtimeNs) / 1e6;
  const offsetMs = moment.nowMs + sinceMs - here.nowMs;
  const wallOffsetMs = moment.wallMs - moment.nowMs;
  return {
    now: () => now() + offsetMs,
    wall: () => now() + offsetMs + wallOffsetMs,
    after(ms, callback) {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    },
  };
}
