/** Time as a dependency, so that tests move it by hand. `now` is monotonic, `wall` is Unix time; both in ms. */
export interface Clock {
  now(): number;
  wall(): number;
  /** Calls back once after `ms`; the returned function cancels. */
  after(ms: number, callback: () => void): () => void;
}

const started = { wall: Date.now(), now: performance.now() };

export const systemClock: Clock = {
  now: () => performance.now(),
  // Derived from the monotonic clock: a wall clock that is set back would tear sound and picture apart.
  wall: () => started.wall + (performance.now() - started.now),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
