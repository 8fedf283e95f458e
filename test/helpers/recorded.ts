import { runFfmpeg } from '../../src/adapters/ffmpeg.js';
import { MEDIA_RATE } from '../../src/media/timeline.js';
import { BEEP_AMPLITUDE } from './beeps.js';
import { testFfmpeg } from './media.js';
import { CODE_COLUMNS, CODE_ROWS, readBits, type PictureFacts } from './picture-code.js';
import { pairUp } from './sync-figures.js';

/** Decoding of a test's film takes a second; a stuck ffmpeg must not take the test along. */
const LIMIT_MS = 60_000;
const QUIET_SAMPLES = MEDIA_RATE / 10;

export interface RecordedPicture {
  /** By the file's time stamps. */
  readonly atMs: number;
  /** Undefined: it could not be read. */
  readonly facts: PictureFacts | undefined;
}

/** Decodes a film of the flash engine: what each picture tells about itself. Throws on any complaint of ffmpeg. */
export async function recordedPictures(file: string): Promise<RecordedPicture[]> {
  const ffmpeg = await testFfmpeg();
  const rows = `crop=iw:iw*${CODE_ROWS / CODE_COLUMNS}:0:0,scale=${CODE_COLUMNS}:${CODE_ROWS}:flags=area`;
  const output = ['-vf', `${rows},showinfo`, ...ffmpeg.vsyncArgs, '-pix_fmt', 'gray', '-f', 'rawvideo'];
  const { bytes, told } = await decode(file, ['-map', '0:v', ...output], 'info');
  const times = [...told.matchAll(/ pts_time:\s*([\d.-]+)/g)].map(([, time]) => Number(time) * 1000);
  const size = CODE_COLUMNS * CODE_ROWS;
  return times.map((atMs, at) => {
    const blocks = bytes.subarray(at * size, (at + 1) * size);
    return { atMs, facts: readBits([...blocks].map((luma) => (luma > 128 ? 1 : 0))) };
  });
}

/** When beeps begin in the file's sound. Throws on any complaint of ffmpeg. */
export async function recordedBeepsMs(file: string): Promise<number[]> {
  const output = [
    '-af',
    'aresample=async=1:first_pts=0',
    '-ac',
    '1',
    '-ar',
    String(MEDIA_RATE),
    '-f',
    's16le',
  ];
  const { bytes } = await decode(file, ['-map', '0:a', ...output], 'error');
  const pcm = new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + (bytes.length & ~1)));
  const beeps: number[] = [];
  let loudUntil = -Infinity;
  pcm.forEach((value, sample) => {
    if (Math.abs(value) < (32_767 * BEEP_AMPLITUDE) / 2) return;
    if (sample > loudUntil) beeps.push((sample * 1000) / MEDIA_RATE);
    loudUntil = sample + QUIET_SAMPLES;
  });
  return beeps;
}

/** Positive: a flash comes after its beep. */
export function skewsMs(pictures: readonly RecordedPicture[], beepsMs: readonly number[]): number[] {
  const flashes = pictures.flatMap(({ atMs, facts }) =>
    facts?.onsetMs === undefined ? [] : [atMs + facts.onsetMs],
  );
  return pairUp(flashes, beepsMs).pairs.map(({ flashMs, beepMs }) => flashMs - beepMs);
}

async function decode(
  file: string,
  output: readonly string[],
  level: 'info' | 'error',
): Promise<{ bytes: Buffer; told: string }> {
  let told = '';
  const input = ['-loglevel', level, '-copyts', '-i', file];
  const run = runFfmpeg(await testFfmpeg(), [...input, ...output, 'pipe:1'], {
    timeLimitMs: LIMIT_MS,
    onStderr: (text) => (told += text),
  });
  run.stdin.end();
  const pieces: Buffer[] = [];
  run.stdout.on('data', (piece: Buffer) => pieces.push(piece));
  await run.done;
  if (level === 'error' && told !== '') throw new Error(`ffmpeg complains about ${file}: ${told}`);
  return { bytes: Buffer.concat(pieces), told };
}
