import type { RenditionRequest } from '../encoder/renditions.js';
import type { I420Frame } from '../media/frame.js';
import { RenditionEncoder, type RenditionEncoderOptions } from './rendition-encoder.js';

/** Pictures on their way into an encoder; one more is left out. */
const SLOTS = 3;
/** An encoder that takes nothing for so long is given up. */
const STALL_MS = 1500;

/**
 * A rendition beside `high` that never holds the drawing up: its encoder gets copies, pictures are left out when it falls
 * behind, and it is started again when it dies or stands still.
 */
export class ExtraRendition {
  readonly #encoder: RenditionEncoder;
  readonly #restarted: () => void;
  readonly #free: Uint8Array[] = [];
  #slots = 0;
  #lastTakenMs = 0;
  /** Pictures left out. */
  dropped = 0;
  /** Encoders that died or stood still. */
  restarts = 0;

  constructor(options: Omit<RenditionEncoderOptions, 'onLost'>, request: RenditionRequest) {
    const { log } = options;
    this.#encoder = RenditionEncoder.start(
      {
        ...options,
        onLost: (error) => {
          log.warn({ err: error, rendition: request.name }, 'the encoder of a rendition died');
          this.#restarted();
        },
      },
      request,
    );
    this.#restarted = () => {
      this.restarts += 1;
      this.#encoder.restart();
    };
  }

  change(request: RenditionRequest): void {
    this.#encoder.change(request);
  }

  requestKeyframe(): void {
    this.#encoder.requestKeyframe();
  }

  /** Copies the picture (0.2 ms for 704x1216) and does not wait. */
  push(frame: I420Frame, index: number): void {
    if (!this.#encoder.takesPictures) return;
    const nowMs = performance.now();
    if (this.#free.length === this.#slots) this.#lastTakenMs = nowMs;
    const slot = this.#slot(frame.data.length);
    if (slot === undefined) {
      this.dropped += 1;
      if (nowMs - this.#lastTakenMs > STALL_MS) {
        this.#lastTakenMs = nowMs;
        this.#restarted();
      }
      return;
    }
    slot.set(frame.data);
    const { widthPx, heightPx } = frame;
    this.#encoder
      .push({ widthPx, heightPx, data: slot }, index)
      .then(() => (this.#lastTakenMs = performance.now()))
      .catch(() => {}) // Told by onLost.
      .finally(() => this.#free.push(slot));
  }

  close(): Promise<void> {
    return this.#encoder.close();
  }

  #slot(sizeBytes: number): Uint8Array | undefined {
    const free = this.#free.pop();
    if (free !== undefined || this.#slots === SLOTS) return free;
    this.#slots += 1;
    return new Uint8Array(sizeBytes);
  }
}
