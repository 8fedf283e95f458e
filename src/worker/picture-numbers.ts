interface Stretch {
  readonly fromSerial: number;
  /** What to take off a serial number for the picture's place in the session. */
  readonly back: number;
  readonly epoch: number;
}

/**
 * Encoders count the pictures they are given, in rising order. After a cut pictures are drawn once more, so a picture's
 * place in the session, and the epoch that it belongs to, are looked up by that count.
 */
export class PictureNumbers {
  #stretches: Stretch[];

  constructor(epoch: number) {
    this.#stretches = [{ fromSerial: -Infinity, back: 0, epoch }];
  }

  /** Pictures from `fromSerial` on belong to `epoch`, the first of them being `count` places before the last one's next. */
  cut(fromSerial: number, count: number, epoch: number): void {
    const last = this.#stretches.at(-1);
    this.#stretches.push({ fromSerial, back: (last?.back ?? 0) + count, epoch });
  }

  /** Asked in rising order within each encoder; those that lag behind by a few cuts are answered, too. */
  of(serial: number): { index: number; epoch: number } {
    if (this.#stretches.length > KEPT) this.#stretches.splice(0, this.#stretches.length - KEPT);
    const stretch = this.#stretches.findLast(({ fromSerial }) => fromSerial <= serial);
    // Older than all that is kept: a picture of a cut long past, which nobody will show.
    if (stretch === undefined) return { index: serial, epoch: -1 };
    return { index: serial - stretch.back, epoch: stretch.epoch };
  }
}

/** Cuts that may happen while a picture is inside an encoder. */
const KEPT = 32;
