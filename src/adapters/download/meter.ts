export interface TransferProgress {
  readonly receivedBytes: number;
  /** Undefined where nobody says how long the file is. */
  readonly totalBytes: number | undefined;
  /** Mean of the last seconds. */
  readonly bytesPerS: number;
  readonly remainingS: number | undefined;
}

const REPORT_EVERY_MS = 200;
const WINDOW_MS = 5000;

/** Counts bytes and reports them a few times a second, with the speed of the last seconds. */
export class TransferMeter {
  #receivedBytes: number;
  readonly #totalBytes: number | undefined;
  readonly #report: (progress: TransferProgress) => void;
  /** Time and count, oldest first, reaching back one window. */
  readonly #marks: { atMs: number; bytes: number }[] = [];

  constructor(
    receivedBytes: number,
    totalBytes: number | undefined,
    report: (progress: TransferProgress) => void = () => {},
  ) {
    this.#receivedBytes = receivedBytes;
    this.#totalBytes = totalBytes;
    this.#report = report;
    this.#mark();
  }

  /** Negative when bytes are thrown away. */
  add(bytes: number): void {
    this.#receivedBytes += bytes;
    const last = this.#marks.at(-1);
    if (last === undefined || performance.now() - last.atMs >= REPORT_EVERY_MS) this.#mark();
  }

  end(): void {
    this.#mark();
  }

  #mark(): void {
    const now = { atMs: performance.now(), bytes: this.#receivedBytes };
    this.#marks.push(now);
    while (this.#marks.length > 2 && now.atMs - (this.#marks[1]?.atMs ?? 0) > WINDOW_MS) this.#marks.shift();
    const first = this.#marks[0] ?? now;
    const tookS = (now.atMs - first.atMs) / 1000;
    const bytesPerS = tookS > 0 ? Math.max(0, now.bytes - first.bytes) / tookS : 0;
    const left = this.#totalBytes === undefined ? undefined : this.#totalBytes - now.bytes;
    this.#report({
      receivedBytes: now.bytes,
      totalBytes: this.#totalBytes,
      bytesPerS,
      remainingS: left === undefined || bytesPerS === 0 ? undefined : left / bytesPerS,
    });
  }
}
