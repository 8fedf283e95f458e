/// <reference lib="dom" />
import type { Page } from 'playwright-core';
import { BEEP_AMPLITUDE } from './beeps.js';
import { CODE_COLUMNS, CODE_ROWS } from './picture-code.js';

/**
 * Watches and listens where a person does, in the page of a viewer (whep-page.ts): the pictures that its <video> shows
 * and the sound that the same <video> plays, both after the browser's jitter buffers and its lip-sync. Times are
 * performance.now() of the page unless they say otherwise.
 */
export interface ShownPicture {
  /** The blocks of picture-code.ts. */
  readonly bits: readonly number[];
  readonly rtpTimestamp: number;
  /**
   * When the browser expects the picture to be visible. Headless there is no screen: it is the beginning of the display
   * interval (60 a second) that the picture was composed for. A real screen shows it one or two intervals later.
   */
  readonly shownMs: number;
  /** The same moment, Unix ms. */
  readonly shownUnixMs: number;
}

export interface Observed {
  readonly pictures: readonly ShownPicture[];
  /** When each beep's beginning left the loudspeaker. */
  readonly beepsMs: readonly number[];
  /** What the browser says its sound needs from the decoder to the loudspeaker. */
  readonly playoutDelayMs: number;
  /** Sender's clock at what is seen minus the same at what is heard, as the browser itself believes; 0 is in step. */
  readonly ownEstimateMs: number;
}

/** Of the WebCodecs "breakout box", which TypeScript does not know yet. */
interface SoundPiece {
  /** Microseconds of the browser's monotonic clock, when the piece was handed to who plays it. */
  readonly timestamp: number;
  readonly numberOfFrames: number;
  readonly sampleRate: number;
  copyTo(target: Float32Array, options: { planeIndex: number; format: 'f32-planar' }): void;
  close(): void;
}

interface SyncWindow {
  viewer: { pc: RTCPeerConnection; video: HTMLVideoElement };
  MediaStreamTrackProcessor: new (init: { track: MediaStreamTrack }) => {
    readable: ReadableStream<SoundPiece>;
  };
  sync: {
    pictures: ShownPicture[];
    /** On the monotonic clock of the sound's pieces. */
    beepsMs: number[];
    /** The same moment on performance.now() minus that clock: the least that was seen. */
    clockOffsetMs: number;
    playout: { delayS: number; samples: number };
  };
}

/** Starts; resolves with the page's time. Fetch what was observed with `takeObserved`. */
export async function observeSync(page: Page): Promise<number> {
  return page.evaluate(
    ({ columns, rows, threshold }) => {
      const scope = window as unknown as SyncWindow;
      const { pc, video } = scope.viewer;
      const sync: SyncWindow['sync'] = {
        pictures: [],
        beepsMs: [],
        clockOffsetMs: Infinity,
        playout: { delayS: 0, samples: 0 },
      };
      scope.sync = sync;

      const cell = 4;
      const canvas = document.createElement('canvas');
      canvas.width = columns * cell;
      canvas.height = rows * cell;
      const draw = canvas.getContext('2d', { willReadFrequently: true });
      if (!draw) throw new Error('no canvas');
      const readBits = (): number[] => {
        const side = Math.floor(video.videoWidth / columns);
        draw.drawImage(video, 0, 0, side * columns, side * rows, 0, 0, canvas.width, canvas.height);
        const { data } = draw.getImageData(0, 0, canvas.width, canvas.height);
        return Array.from({ length: columns * rows }, (_, at) => {
          const x = (at % columns) * cell + cell / 2;
          const y = Math.floor(at / columns) * cell + cell / 2;
          return (data[4 * (y * canvas.width + x)] ?? 0) > 127 ? 1 : 0;
        });
      };
      const onPicture: VideoFrameRequestCallback = (_, frame) => {
        video.requestVideoFrameCallback(onPicture);
        sync.pictures.push({
          bits: readBits(),
          rtpTimestamp: frame.rtpTimestamp ?? 0,
          shownMs: frame.expectedDisplayTime,
          shownUnixMs: frame.expectedDisplayTime + Date.now() - performance.now(),
        });
      };
      video.requestVideoFrameCallback(onPicture);

      // The track's samples as the player of the <video> takes them, 10 ms at a time, each piece with the moment of
      // that. (A Web Audio graph hears them through a buffer of its own and another output: 13 ms later, measured.)
      const listen = async (track: MediaStreamTrack): Promise<void> => {
        const reader = new scope.MediaStreamTrackProcessor({ track }).readable.getReader();
        let quietMs = 0;
        let samples = new Float32Array(0);
        for (;;) {
          const { value: piece, done } = await reader.read();
          if (done) return;
          const startMs = piece.timestamp / 1000;
          sync.clockOffsetMs = Math.min(sync.clockOffsetMs, performance.now() - startMs);
          if (samples.length !== piece.numberOfFrames) samples = new Float32Array(piece.numberOfFrames);
          piece.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
          const sampleMs = 1000 / piece.sampleRate;
          piece.close();
          // As the engine does: the first sample of half a beep's strength after 100 ms of quiet. Opus moves it by
          // 0.02 ms at most.
          samples.forEach((value, at) => {
            quietMs += sampleMs;
            if (Math.abs(value) < threshold) return;
            if (quietMs > 100) sync.beepsMs.push(startMs + at * sampleMs);
            quietMs = 0;
          });
        }
      };
      for (const { track } of pc.getReceivers()) if (track.kind === 'audio') void listen(track);
      video.muted = false; // the sound takes its whole way
      return performance.now();
    },
    { columns: CODE_COLUMNS, rows: CODE_ROWS, threshold: BEEP_AMPLITUDE / 2 },
  );
}

/** What was observed since the last call. @throws if the browser does not tell its playout delay */
export async function takeObserved(page: Page): Promise<Observed> {
  return page.evaluate(async () => {
    const { sync, viewer } = window as unknown as SyncWindow;
    let delay = Number.NaN;
    const playing = { audio: Number.NaN, video: Number.NaN };
    for (const report of (await viewer.pc.getStats()).values()) {
      if (report.type === 'media-playout') {
        const now = {
          delayS: report.totalPlayoutDelay as number,
          samples: report.totalSamplesCount as number,
        };
        delay = (1000 * (now.delayS - sync.playout.delayS)) / (now.samples - sync.playout.samples);
        sync.playout = now;
      } else if (report.type === 'inbound-rtp')
        playing[report.kind as 'audio' | 'video'] = report.estimatedPlayoutTimestamp as number;
    }
    if (!Number.isFinite(delay)) throw new Error('the browser does not tell how long its sound output takes');
    return {
      pictures: sync.pictures.splice(0),
      beepsMs: sync.beepsMs.splice(0).map((at) => at + sync.clockOffsetMs + delay),
      playoutDelayMs: delay,
      ownEstimateMs: playing.video - playing.audio,
    };
  });
}
