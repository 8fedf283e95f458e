import { BoundedQueue } from '../../lib/bounded-queue.js';

/** The `<img>` viewers of one session. Each has a queue of two pictures: a slow one skips, nobody waits for it. */
export class JpegWatchers {
  readonly #watchers = new Set<{ queue: BoundedQueue<Uint8Array>; wake: () => void }>();
  readonly #onCount: (count: number) => void;
  #closed = false;
  dropped = 0;

  /** `onCount` hears every change of the number of watchers. */
  constructor(onCount: (count: number) => void) {
    this.#onCount = onCount;
  }

  get count(): number {
    return this.#watchers.size;
  }

  push(jpeg: Uint8Array): void {
    for (const watcher of this.#watchers) {
      const before = watcher.queue.dropped;
      watcher.queue.push(jpeg);
      this.dropped += watcher.queue.dropped - before;
      watcher.wake();
    }
  }

  /** Pictures from now on, until the session ends or `signal` aborts. */
  async *watch(signal: AbortSignal): AsyncIterable<Uint8Array> {
    if (this.#closed || signal.aborted) return;
    const watcher = { queue: new BoundedQueue<Uint8Array>(2), wake: () => {} };
    const wake = () => watcher.wake();
    this.#watchers.add(watcher);
    signal.addEventListener('abort', wake);
    this.#onCount(this.count);
    try {
      while (!this.#closed && !signal.aborted) {
        const jpeg = watcher.queue.shift();
        if (jpeg) yield jpeg;
        else await new Promise<void>((resolve) => (watcher.wake = resolve));
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.#watchers.delete(watcher);
      this.#onCount(this.count);
    }
  }

  close(): void {
    this.#closed = true;
    for (const watcher of this.#watchers) watcher.wake();
  }
}
