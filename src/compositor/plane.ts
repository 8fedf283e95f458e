/** A plane of a picture, read between its samples; coordinates are continuous, the first sample's centre at 0.5. */
export class Plane {
  #data: Uint8Array;
  #offset: number;
  #width: number;
  #height: number;

  constructor(data: Uint8Array, offset: number, width: number, height: number) {
    this.#data = data;
    this.#offset = offset;
    this.#width = width;
    this.#height = height;
  }

  at(x: number, y: number): number {
    const sx = Math.min(this.#width - 1.001, Math.max(0, x - 0.5));
    const sy = Math.min(this.#height - 1.001, Math.max(0, y - 0.5));
    const at = this.#offset + Math.floor(sy) * this.#width + Math.floor(sx);
    const [fx, fy] = [sx % 1, sy % 1];
    const data = this.#data;
    const upper = data[at]! + (data[at + 1]! - data[at]!) * fx;
    const lower = data[at + this.#width]! + (data[at + this.#width + 1]! - data[at + this.#width]!) * fx;
    return upper + (lower - upper) * fy;
  }
}
