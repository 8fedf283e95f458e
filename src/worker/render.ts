import { once } from 'node:events';
import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { runFfmpeg, userInputArgs, type Ffmpeg } from '../adapters/ffmpeg.js';
import { decodeAudio } from '../audio/decode.js';
import type { AvatarSource, Engine, EngineStream } from '../engine/engine.js';
import { Downsampler48To16 } from '../media/resample.js';
import { ENGINE_RATE, MEDIA_RATE } from '../media/timeline.js';
import { readSpeech } from './read-speech.js';

/** Making the faces takes nearly all of the time, pasting and encoding the rest. */
const REHEARSED_SHARE = 0.9;

export interface RenderOptions {
  engine: Engine;
  avatar: AvatarSource;
  audioPath: string;
  outPath: string;
  fps: number;
  /** Also save every picture as PNG (%08d.png from 0) here. */
  framesDir?: string;
  /** Stop after this much sound (a session that was stopped early). */
  limitMs?: number;
  ffmpeg: Ffmpeg;
  onProgress?(fraction: number): void;
  signal?: AbortSignal;
}

export interface RenderResult {
  frames: number;
  durationMs: number;
}

/**
 * Draws an avatar speaking one sound file as fast as the machine can and muxes both into an H.264/AAC mp4. Picture
 * k covers the sound from k / fps, as in a live session. The file appears under its name only when it is complete.
 */
export async function renderToFile(options: RenderOptions): Promise<RenderResult> {
  const { avatar, fps, outPath, ffmpeg, signal } = options;
  const speech = await rehearsableSpeech(options);
  const samples = speech === undefined ? await countSamples(options) : mediaSamplesOf(speech);
  const rehearsedShare = speech === undefined ? 0 : REHEARSED_SHARE;
  const frames = Math.ceil((samples * fps) / MEDIA_RATE);
  const partPath = path.join(path.dirname(outPath), `.${path.basename(outPath)}.part.mp4`);
  await mkdir(path.dirname(path.resolve(outPath)), { recursive: true });
  const limit = ['-t', String(samples / MEDIA_RATE)];
  const input = [
    '-f',
    'rawvideo',
    '-pix_fmt',
    'yuv420p',
    '-s',
    `${avatar.widthPx}x${avatar.heightPx}`,
    '-r',
    String(fps),
    '-i',
    'pipe:0',
  ];
  const movie = [
    '-map',
    '0:v',
    '-map',
    '1:a',
    ...limit,
    '-c:v',
    'libx264',
    '-preset',
    'veryfast',
    '-crf',
    '18',
    '-pix_fmt',
    'yuv420p',
    '-c:a',
    'aac',
    '-b:a',
    '128k',
    '-movflags',
    '+faststart',
    partPath,
  ];
  const stills =
    options.framesDir === undefined
      ? []
      : [
          '-map',
          '0:v',
          '-start_number',
          '0',
          '-compression_level',
          '1',
          path.join(options.framesDir, '%08d.png'),
        ];
  if (options.framesDir !== undefined) await mkdir(options.framesDir, { recursive: true });
  const encoder = runFfmpeg(
    ffmpeg,
    [
      '-hide_banner',
      '-loglevel',
      'error',
      '-y',
      ...input,
      ...userInputArgs(options.audioPath),
      ...movie,
      ...stills,
    ],
    signal ? { signal } : {},
  );
  encoder.done.catch(() => {});
  encoder.stdin.on('error', () => {}); // The reason is in `done`, with ffmpeg's own words.
  encoder.stdout.resume();
  let stream: EngineStream | undefined;
  let written = 0;
  try {
    stream = await openStream(options, speech, rehearsedShare);
    const sound = speech === undefined ? decodedSound(options, samples) : secondsOf(speech);
    for await (const pcm of padded(sound, stream.lookaheadMs + 1000 / fps + 100)) {
      for await (const frame of stream.push(pcm)) {
        if (written >= frames) break;
        signal?.throwIfAborted();
        // The engine reuses its buffer, the pipe keeps what it is given until it is written: copy.
        if (!encoder.stdin.write(Buffer.from(frame.data)))
          await Promise.race([once(encoder.stdin, 'drain'), encoder.done]);
        written += 1;
        options.onProgress?.(rehearsedShare + ((1 - rehearsedShare) * written) / frames);
      }
    }
    encoder.stdin.end();
    await encoder.done;
    await rename(partPath, outPath);
  } catch (error) {
    await encoder.kill();
    await rm(partPath, { force: true });
    throw error;
  } finally {
    await stream?.close();
  }
  return { frames: written, durationMs: (samples * 1000) / MEDIA_RATE };
}

/** The whole sound (16 kHz mono) for an engine that rehearses it; undefined for one that hears it as it comes. */
async function rehearsableSpeech(options: RenderOptions): Promise<Float32Array | undefined> {
  if (options.engine.rehearse === undefined) return undefined;
  const speech = await readSpeech(options.ffmpeg, options.audioPath, options.signal);
  return options.limitMs === undefined
    ? speech
    : speech.subarray(0, Math.round((options.limitMs * ENGINE_RATE) / 1000));
}

function mediaSamplesOf(speech: Float32Array): number {
  return (speech.length * MEDIA_RATE) / ENGINE_RATE;
}

/** A stream in which `speech` is rehearsed already, where there is any. */
async function openStream(
  options: RenderOptions,
  speech: Float32Array | undefined,
  share: number,
): Promise<EngineStream> {
  const { engine, avatar, fps, signal } = options;
  const take =
    speech &&
    (await engine.rehearse?.(avatar, speech, {
      fps,
      folder: path.dirname(path.resolve(options.outPath)),
      onProgress: (fraction) => options.onProgress?.(share * fraction),
      ...(signal === undefined ? {} : { signal }),
    }));
  try {
    const stream = await engine.open(avatar, { fps });
    if (take !== undefined) stream.cue?.(take, 0);
    return stream;
  } catch (error) {
    take?.close();
    throw error;
  }
}

async function countSamples(options: RenderOptions): Promise<number> {
  let samples = 0;
  for await (const pcm of decodeAudio(
    options.ffmpeg,
    options.audioPath,
    options.signal ? { signal: options.signal } : {},
  ))
    samples += pcm.length / 2;
  return options.limitMs === undefined
    ? samples
    : Math.min(samples, Math.round((options.limitMs * MEDIA_RATE) / 1000));
}

/** The sound as 16 kHz mono, as it is decoded. */
async function* decodedSound(options: RenderOptions, samples: number): AsyncIterable<Float32Array> {
  const downsampler = new Downsampler48To16();
  let left = samples;
  for await (const pcm of decodeAudio(
    options.ffmpeg,
    options.audioPath,
    options.signal ? { signal: options.signal } : {},
  )) {
    yield downsampler.push(pcm);
    left -= pcm.length / 2;
    if (left <= 0) break;
  }
}

function* secondsOf(speech: Float32Array): Iterable<Float32Array> {
  for (let at = 0; at < speech.length; at += ENGINE_RATE) yield speech.subarray(at, at + ENGINE_RATE);
}

/** Sound followed by as much silence as the engine looks ahead, so that the last picture is drawn too. */
async function* padded(
  sound: Iterable<Float32Array> | AsyncIterable<Float32Array>,
  silenceMs: number,
): AsyncIterable<Float32Array> {
  yield* sound;
  const tail = new Float32Array(ENGINE_RATE / 50);
  for (let ms = 0; ms < silenceMs; ms += 20) yield tail;
}
