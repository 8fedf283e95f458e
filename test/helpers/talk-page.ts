/// <reference lib="dom" />
import type { Page } from 'playwright-core';

/**
 * A conversation as a viewer's browser meets it: the pictures that a <video> shows, the sound that it plays, and the
 * session's events as they arrive, in the page of whep-page.ts. All times are performance.now() of the page.
 */
export interface Talk {
  readonly pictures: readonly { readonly shownMs: number; readonly rtp: number }[];
  /** RMS (0..1) of each 10 ms of sound and when they are heard. */
  readonly sound: readonly { readonly heardMs: number; readonly rms: number }[];
  readonly events: readonly { readonly name: string; readonly atMs: number; readonly data: TalkData }[];
}

export interface TalkData {
  readonly utteranceId?: string;
  readonly playedMs?: number;
  readonly mediaMs?: number;
  readonly rtp?: { readonly audio: number; readonly video: number };
}

interface SoundPiece {
  readonly timestamp: number;
  readonly numberOfFrames: number;
  copyTo(target: Float32Array, options: { planeIndex: number; format: 'f32-planar' }): void;
  close(): void;
}

interface TalkWindow {
  viewer: { pc: RTCPeerConnection; video: HTMLVideoElement };
  MediaStreamTrackProcessor: new (init: { track: MediaStreamTrack }) => {
    readable: ReadableStream<SoundPiece>;
  };
  talk: {
    pictures: { shownMs: number; rtp: number }[];
    sound: { startMs: number; rms: number }[];
    events: { name: string; atMs: number; data: TalkData }[];
    clockOffsetMs: number;
    playout: { delayS: number; samples: number; ms: number };
  };
}

/** Starts. The page is connected (connectViewer). */
export async function observeTalk(page: Page, eventsUrl: string): Promise<void> {
  await page.evaluate(async (url) => {
    const scope = window as unknown as TalkWindow;
    const { pc, video } = scope.viewer;
    const talk: TalkWindow['talk'] = {
      ...{ pictures: [], sound: [], events: [], clockOffsetMs: Infinity },
      playout: { delayS: 0, samples: 0, ms: 0 },
    };
    scope.talk = talk;
    const onPicture: VideoFrameRequestCallback = (_, frame) => {
      video.requestVideoFrameCallback(onPicture);
      talk.pictures.push({ shownMs: frame.expectedDisplayTime, rtp: frame.rtpTimestamp ?? 0 });
    };
    video.requestVideoFrameCallback(onPicture);
    // As sync-page.ts hears it.
    const listen = async (track: MediaStreamTrack): Promise<void> => {
      const reader = new scope.MediaStreamTrackProcessor({ track }).readable.getReader();
      for (;;) {
        const { value: piece, done } = await reader.read();
        if (done) return;
        const startMs = piece.timestamp / 1000;
        talk.clockOffsetMs = Math.min(talk.clockOffsetMs, performance.now() - startMs);
        const samples = new Float32Array(piece.numberOfFrames);
        piece.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
        piece.close();
        const sum = samples.reduce((total, value) => total + value * value, 0);
        talk.sound.push({ startMs, rms: Math.sqrt(sum / samples.length) });
      }
    };
    for (const { track } of pc.getReceivers()) if (track.kind === 'audio') void listen(track);
    video.muted = false; // the sound takes its whole way
    const source = new EventSource(url);
    for (const name of ['started', 'ended', 'interrupted', 'failed'])
      source.addEventListener(`utterance.${name}`, ({ data }: MessageEvent<string>) => {
        talk.events.push({ name, atMs: performance.now(), data: JSON.parse(data) as TalkData });
      });
    await new Promise<void>((resolve) => (source.onopen = () => resolve()));
  }, eventsUrl);
}

/** What was observed since the last call. */
export async function takeTalk(page: Page): Promise<Talk> {
  return page.evaluate(async () => {
    const { talk, viewer } = window as unknown as TalkWindow;
    for (const report of (await viewer.pc.getStats()).values()) {
      if (report.type !== 'media-playout') continue;
      const [delayS, samples] = [report.totalPlayoutDelay as number, report.totalSamplesCount as number];
      const { playout } = talk;
      const ms = (1000 * (delayS - playout.delayS)) / (samples - playout.samples);
      talk.playout = { delayS, samples, ms: Number.isFinite(ms) ? ms : playout.ms };
    }
    return {
      pictures: talk.pictures.splice(0),
      sound: talk.sound
        .splice(0)
        .map(({ startMs, rms }) => ({ heardMs: startMs + talk.clockOffsetMs + talk.playout.ms, rms })),
      events: talk.events.splice(0),
    };
  });
}

export interface PageInterrupt {
  /** When it was asked for, and answered. */
  readonly atMs: number;
  readonly answeredMs: number;
  readonly playedMs: number;
  readonly soundStoppedMs: number;
  readonly mouthClosedMs?: number;
  readonly shutAt?: { readonly rtp: { readonly video: number } };
}

/** From the viewer's own page, as a button there would. */
export async function interruptFrom(page: Page, url: string): Promise<PageInterrupt> {
  return page.evaluate(async (to) => {
    const atMs = performance.now();
    const response = await fetch(to, { method: 'POST' });
    const answer = (await response.json()) as Omit<PageInterrupt, 'atMs' | 'answeredMs'>;
    return { ...answer, atMs, answeredMs: performance.now() };
  }, url);
}

/** What to add to a time of this process (performance.now()) to have it on the page's clock; good to a millisecond. */
export async function pageClockOffset(page: Page): Promise<number> {
  const offsets: { offsetMs: number; tookMs: number }[] = [];
  for (let i = 0; i < 5; i += 1) {
    const before = performance.now();
    const pageMs = await page.evaluate(() => performance.now());
    const after = performance.now();
    offsets.push({ offsetMs: pageMs - (before + after) / 2, tookMs: after - before });
  }
  return offsets.sort((a, b) => a.tookMs - b.tookMs)[0]!.offsetMs;
}
