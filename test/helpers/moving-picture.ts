import { i420SizeBytes, type I420Frame } from '../../src/media/frame.js';

/** A diagonal ramp that moves 3 pixels a frame, and a bright box that wanders: cheap to code, easy to tell apart. */
export function movingPicture(
  widthPx: number,
  heightPx: number,
  index: number,
  target?: Uint8Array,
): I420Frame {
  const data = target ?? new Uint8Array(i420SizeBytes(widthPx, heightPx));
  const boxX = (index * 5) % (widthPx - 32);
  for (let y = 0; y < heightPx; y++) {
    const row = y * widthPx;
    for (let x = 0; x < widthPx; x++) data[row + x] = 40 + ((((x + y) >> 1) + index * 3) % 120);
    if (y >= 32 && y < 64) data.fill(220, row + boxX, row + boxX + 32);
  }
  data.fill(110, widthPx * heightPx, (widthPx * heightPx * 5) / 4);
  data.fill(150, (widthPx * heightPx * 5) / 4);
  return { widthPx, heightPx, data };
}

/** 20 ms of interleaved stereo: a tone of 440 Hz, a third of full scale. */
export function tone(firstSample: number): Int16Array {
  const pcm = new Int16Array(1920);
  for (let at = 0; at < 960; at++) {
    const value = Math.round(11_000 * Math.sin((2 * Math.PI * 440 * (firstSample + at)) / 48_000));
    pcm[2 * at] = value;
    pcm[2 * at + 1] = value;
  }
  return pcm;
}
