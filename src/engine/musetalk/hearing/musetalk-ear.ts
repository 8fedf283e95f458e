import { AppError, toAppError } from '../../../errors.js';
import type { FaceEar } from '../../faces/face-family.js';
import { cutWindow, windowShape, type WindowOptions, type WindowShape } from './feature-windows.js';
import { MelRing } from './mel-ring.js';
import { addPositions } from './positional-encoding.js';
import { MEL_BANDS, SEGMENT_FRAMES } from './whisper-mel.js';
import { ROW_MS, ROW_SAMPLES, ROW_VALUES, encodeRows, type WhisperEncode } from './whisper-states.js';

export interface MuseTalkEarOptions extends WindowOptions {
  readonly encode: WhisperEncode;
  /** The encoder runs at most once in this much sound; a multiple of 20. A longer hop is cheaper and hears later. */
  readonly hopMs?: number;
  /** Sound that has to follow a window's last row before the row counts: 13 at least (convolutions, Fourier window). */
  readonly settleMs?: number;
  /** The encoder hears up to this much of the past, and this much right after it moved on; seconds. */
  readonly longestSeconds?: number;
  readonly shortestSeconds?: number;
}

const RING_SECONDS = 30;
/** A pause in the asking after which the next picture begins a new stretch of speech. */
const PAUSE_ROWS = 50;
/** How much of the sound before a stretch of speech is heard with it. */
const LEAD_ROWS = 25;
/** Sound before a picture that the encoder hears at least when its sound moves on. */
const CONTEXT_ROWS = 100;
/** Row r looks at mel frames up to 2r + 2, which end 200 samples after sample 320 (r + 1). */
const LEAST_SETTLE_MS = 13;

interface Waiter {
  /** Where the window begins; may be negative. */
  readonly firstRow: number;
  /** Samples that have to be there. */
  readonly needs: number;
  /** The first row of the stretch of speech to which the picture belongs. */
  readonly stretch: number;
  readonly resolve: (features: Float32Array) => void;
  readonly reject: (error: AppError) => void;
}

/** What the last run of the encoder gave, as far as pictures to come can want it: rows [firstRow, endRow). */
interface Heard {
  readonly stretch: number;
  readonly firstRow: number;
  readonly endRow: number;
  readonly states: Float32Array;
}

/**
 * Hears a live stream as MuseTalk wants it. Each run of the encoder gets the recent sound at the start of its 30 s and
 * zeros behind, like a short clip in the reference, and all rows of a picture come from one run. Where that sound
 * begins stays put while it grows to `longestSeconds`, then moves on in one step: the encoder knows where in its 30 s a
 * sound is, so rows must not wander from run to run. A stretch of speech begins anew half a second before its first
 * picture. Nothing is computed while nobody asks.
 */
export class MuseTalkEar implements FaceEar {
  readonly lookaheadMs: number;
  readonly #encode: WhisperEncode;
  readonly #shape: WindowShape;
  readonly #hopSamples: number;
  readonly #settleSamples: number;
  readonly #longestRows: number;
  readonly #shortestRows: number;
  readonly #ring = new MelRing(RING_SECONDS);
  readonly #mel = new Float32Array(MEL_BANDS * SEGMENT_FRAMES);
  readonly #waiters: Waiter[] = [];
  #lastAsked = -Infinity;
  #stretch = 0;
  /** The row at which the encoder's sound begins, and the stretch for which it was chosen. */
  #origin = { row: 0, stretch: -Infinity };
  #heard: Heard | undefined;
  #heardUntil = 0;
  #encoding = false;
  #closed = false;

  /** @throws AppError invalid-argument */
  constructor(options: MuseTalkEarOptions) {
    const { encode, hopMs = 80, settleMs = 30, longestSeconds = 28, shortestSeconds = 8 } = options;
    if (!(hopMs >= ROW_MS && hopMs <= 2000 && hopMs % ROW_MS === 0)) {
      throw new AppError('invalid-argument', `the hop is a multiple of 20 ms up to 2000, got ${hopMs}`);
    }
    if (!(settleMs >= LEAST_SETTLE_MS && settleMs <= 1000)) {
      throw new AppError('invalid-argument', `sound settles within 13 to 1000 ms, got ${settleMs}`);
    }
    if (!(shortestSeconds >= 3 && longestSeconds >= shortestSeconds + 1 && longestSeconds <= 28)) {
      throw new AppError(
        'invalid-argument',
        `the encoder hears 3 to 28 s and at least 1 s between shortest and longest, got ${shortestSeconds} and ${longestSeconds}`,
      );
    }
    this.#encode = encode;
    this.#shape = windowShape(options);
    this.#hopSamples = (hopMs / ROW_MS) * ROW_SAMPLES;
    this.#settleSamples = Math.ceil((settleMs * ROW_SAMPLES) / ROW_MS);
    this.#longestRows = Math.floor((longestSeconds * 1000) / ROW_MS);
    this.#shortestRows = Math.floor((shortestSeconds * 1000) / ROW_MS);
    const rowsAfter = this.#shape.rows - this.#shape.rowsBefore;
    this.lookaheadMs = rowsAfter * ROW_MS + settleMs + hopMs;
  }

  push(pcm: Float32Array): void {
    if (this.#closed) return;
    this.#ring.push(pcm);
    this.#pump();
  }

  features(timeMs: number): Promise<Float32Array> {
    if (this.#closed) return Promise.reject(closedError());
    if (!(timeMs >= 0 && Number.isFinite(timeMs))) {
      return Promise.reject(new AppError('invalid-argument', `no picture is at ${timeMs} ms`));
    }
    return new Promise((resolve, reject) => {
      // A picture's time is a quotient: what misses a row by rounding alone is in it.
      const row = Math.floor(timeMs / ROW_MS + 1e-6);
      const firstRow = row - this.#shape.rowsBefore;
      if (row - this.#lastAsked > PAUSE_ROWS) this.#stretch = Math.max(0, firstRow);
      this.#lastAsked = row;
      const needs = (firstRow + this.#shape.rows) * ROW_SAMPLES + this.#settleSamples;
      this.#waiters.push({ firstRow, needs, stretch: this.#stretch, resolve, reject });
      this.#pump();
    });
  }

  close(): void {
    this.#closed = true;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(closedError());
    this.#heard = undefined;
  }

  /** Answers whom it can from what was heard, and listens again when the next one is worth it. */
  #pump(): void {
    if (this.#encoding) return;
    while (this.#waiters[0] !== undefined && this.#answer(this.#waiters[0])) this.#waiters.shift();
    const next = this.#waiters[0];
    if (next === undefined || next.needs > this.#ring.pushed) return;
    const goesOn = next.stretch === this.#origin.stretch;
    if (goesOn && this.#ring.pushed < this.#heardUntil + this.#hopSamples) return;
    void this.#listen(next);
  }

  /** Settles a picture whose rows were heard or whose sound is gone; false leaves it waiting. */
  #answer({ firstRow, stretch, resolve, reject }: Waiter): boolean {
    const heard = this.#heard;
    const from = Math.max(0, firstRow);
    const { rows } = this.#shape;
    if (heard?.stretch === stretch && from >= heard.firstRow && firstRow + rows <= heard.endRow) {
      const rowAt = (row: number): number => (row < 0 ? -1 : (row - heard.firstRow) * ROW_VALUES);
      const features = cutWindow(heard.states, rowAt, firstRow, rows);
      addPositions(features);
      resolve(features);
      return true;
    }
    if (from * ROW_SAMPLES >= this.#ring.oldest) return false;
    reject(
      new AppError(
        'invalid-argument',
        `the sound at ${from * ROW_MS} ms is forgotten; ask for a picture before ${RING_SECONDS} s more are pushed`,
      ),
    );
    return true;
  }

  /** Runs the encoder once over all there is, for `first` and whomever else it serves. */
  async #listen(first: Waiter): Promise<void> {
    this.#encoding = true;
    const until = this.#ring.pushed;
    this.#heardUntil = until;
    const firstRow = Math.max(0, first.firstRow);
    const endRow = Math.floor((until - this.#settleSamples) / ROW_SAMPLES);
    const originRow = this.#chooseOrigin(first.stretch, firstRow);
    this.#origin = { row: originRow, stretch: first.stretch };
    try {
      this.#ring.read(originRow * ROW_SAMPLES, this.#mel);
      const states = await encodeRows(this.#encode, this.#mel, endRow - originRow);
      // A copy, so that the up to thousand rows before it need not be kept.
      const wanted = states.slice((firstRow - originRow) * ROW_VALUES);
      if (!this.#closed) this.#heard = { stretch: first.stretch, firstRow, endRow, states: wanted };
    } catch (error) {
      while (this.#waiters[0] !== undefined && this.#waiters[0].needs <= until) {
        this.#waiters.shift()?.reject(toAppError(error));
      }
    }
    this.#encoding = false;
    this.#pump();
  }

  #chooseOrigin(stretch: number, firstRow: number): number {
    const pushedRows = Math.ceil(this.#ring.pushed / ROW_SAMPLES);
    let row = stretch === this.#origin.stretch ? this.#origin.row : Math.max(0, stretch - LEAD_ROWS);
    if (pushedRows - row > this.#longestRows) {
      // One long step; when pictures are asked for late, not past the context that they want.
      row = Math.min(pushedRows - this.#shortestRows, firstRow - CONTEXT_ROWS);
    }
    return Math.max(row, Math.ceil(this.#ring.oldest / ROW_SAMPLES));
  }
}

function closedError(): AppError {
  return new AppError('internal', 'features were asked for from an ear that is closed');
}
