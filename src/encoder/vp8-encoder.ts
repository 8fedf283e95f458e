import { IvfReader } from './ivf-reader.js';
import type { LiveCodec } from './live-encoder.js';

/** 800 kbit/s for 512x512, 1.5 Mbit/s for 1280x720: grows with the side, not the area. Rounded to 10 kbit/s. */
export function defaultBitrateBps(widthPx: number, heightPx: number): number {
  return Math.max(150_000, Math.round(80 * Math.sqrt((widthPx * heightPx) / (512 * 512))) * 10_000);
}

/** Real-time VP8 by libvpx. A picture's data is one frame without its IVF head. */
export const VP8: LiveCodec = {
  codecArgs: ({ bitrateBps }) => [
    ...['-c:v', 'libvpx', '-deadline', 'realtime', '-lag-in-frames', '0', '-auto-alt-ref', '0'],
    // Negative: a fixed speed; positive values adapt to the load of the machine.
    ...['-threads', '1', '-cpu-used', '-8', '-error-resilient', 'default', '-static-thresh', '0'],
    ...rateControl(bitrateBps),
    ...['-g', '9999', '-keyint_min', '0'],
  ],
  muxerArgs: ['-f', 'ivf'],
  reader(_, onFrame) {
    const reader = new IvfReader(({ pts, data }) => {
      // RFC 6386 section 9.1: the lowest bit of a frame is 0 on a key frame.
      onFrame({ halfFrames: pts, key: ((data[0] ?? 1) & 1) === 0, data });
    });
    return (bytes) => reader.push(bytes);
  },
};

/**
 * A constant rate that a link of little more than that carries. The short buffer (0.3 s) and the coarsest quantiser cost
 * 0.001 of SSIM at usual rates; without them quick movement overshoots a low rate by a fifth, and key pictures are a
 * quarter larger. Dropping pictures (-drop-threshold) brought nothing on top.
 */
function rateControl(bitrateBps: number): string[] {
  const rate = String(bitrateBps);
  return [
    ...['-b:v', rate, '-minrate', rate, '-maxrate', rate, '-bufsize', String(Math.round(0.3 * bitrateBps))],
    ...[
      '-undershoot-pct',
      '95',
      '-overshoot-pct',
      '15',
      '-max-intra-rate',
      '300',
      '-qmin',
      '4',
      '-qmax',
      '63',
    ],
  ];
}
