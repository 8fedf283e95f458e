import { H264RtpPayload } from 'werift';
import { runFfmpeg, type Ffmpeg } from '../../src/adapters/ffmpeg.js';

/** NAL units behind start codes (ITU-T H.264 annex B). */
export function annexB(units: readonly Uint8Array[]): Buffer {
  return Buffer.concat(units.flatMap((unit) => [Uint8Array.of(0, 0, 0, 1), unit]));
}

/** RTP payloads put together again by another implementation, to units behind start codes. */
export function rejoined(payloads: readonly Uint8Array[]): Buffer {
  let fragment: Buffer | undefined;
  const parts = payloads.map((payload) => {
    const read = H264RtpPayload.deSerialize(Buffer.from(payload), fragment);
    fragment = read.fragment;
    // Absent until the last fragment.
    return (read.payload as Buffer | undefined) ?? Buffer.alloc(0);
  });
  return Buffer.concat(parts);
}

/** Raw I420 of all pictures, by ffmpeg's own decoder. */
export async function decodeH264(ffmpeg: Ffmpeg, units: Uint8Array): Promise<Buffer> {
  const run = runFfmpeg(ffmpeg, [
    ...['-f', 'h264', '-i', 'pipe:0', ...ffmpeg.vsyncArgs, '-f', 'rawvideo', '-pix_fmt', 'yuv420p', 'pipe:1'],
  ]);
  const output: Buffer[] = [];
  run.stdout.on('data', (bytes: Buffer) => output.push(bytes));
  run.stdin.end(units);
  await run.done;
  return Buffer.concat(output);
}
