/// <reference lib="dom" />
import type { Page } from 'playwright-core';

/** What a viewer's browser decoded, reduced to whose it is. */
export interface Content {
  /** Mean red and blue (0..255) of every picture. */
  readonly pictures: readonly (readonly [red: number, blue: number])[];
  /** Power at the own pitch, at the other's and at nobody's, for every 50 ms of sound that are loud throughout. */
  readonly sound: readonly (readonly [own: number, other: number, neither: number])[];
}

interface SoundPiece {
  readonly numberOfFrames: number;
  copyTo(target: Float32Array, options: { planeIndex: number; format: 'f32-planar' }): void;
  close(): void;
}

interface ContentWindow {
  viewer: { pc: RTCPeerConnection; video: HTMLVideoElement };
  MediaStreamTrackProcessor: new (init: { track: MediaStreamTrack }) => {
    readable: ReadableStream<SoundPiece>;
  };
  content: { pictures: [number, number][]; sound: [number, number, number][] };
}

/** Starts. The page is connected (connectViewer). Pitches in Hz. */
export async function watchContent(
  page: Page,
  pitches: { own: number; other: number; neither: number },
): Promise<void> {
  await page.evaluate(({ own, other, neither }) => {
    const scope = window as unknown as ContentWindow;
    const { pc, video } = scope.viewer;
    const content: ContentWindow['content'] = { pictures: [], sound: [] };
    scope.content = content;
    const canvas = new OffscreenCanvas(8, 8);
    const pen = canvas.getContext('2d', { willReadFrequently: true })!;
    const onPicture = (): void => {
      video.requestVideoFrameCallback(onPicture);
      pen.drawImage(video, 0, 0, 8, 8);
      const { data } = pen.getImageData(0, 0, 8, 8);
      let red = 0;
      let blue = 0;
      for (let at = 0; at < data.length; at += 4) {
        red += data[at]! / 64;
        blue += data[at + 2]! / 64;
      }
      content.pictures.push([red, blue]);
    };
    video.requestVideoFrameCallback(onPicture);
    const LENGTH = 2400; // 50 ms at 48 kHz
    /** Goertzel's power at a frequency, behind a Hann window, so that neighbours leak little. */
    const powerAt = (samples: Float32Array, hz: number): number => {
      const turn = 2 * Math.cos((2 * Math.PI * hz) / 48_000);
      let [before, last] = [0, 0];
      samples.forEach((value, n) => {
        const hann = 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / LENGTH);
        [before, last] = [last, value * hann + turn * last - before];
      });
      return before * before + last * last - turn * before * last;
    };
    /** Of the overtones that keep 40 Hz away from those of the other. */
    const voice = (samples: Float32Array, hz: number): number =>
      powerAt(samples, 2 * hz) + powerAt(samples, 3 * hz);
    const piece = new Float32Array(LENGTH);
    let filled = 0;
    const judge = (): void => {
      // Where sound begins or breaks off, it has every pitch.
      const isLoud = [0, 1, 2, 3, 4].every((part) => {
        const fifth = piece.subarray((part * LENGTH) / 5, ((part + 1) * LENGTH) / 5);
        return fifth.reduce((sum, value) => sum + value * value, 0) / fifth.length > 1e-3;
      });
      if (isLoud) content.sound.push([voice(piece, own), voice(piece, other), voice(piece, neither)]);
      filled = 0;
    };
    const listen = async (track: MediaStreamTrack): Promise<void> => {
      const reader = new scope.MediaStreamTrackProcessor({ track }).readable.getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        const samples = new Float32Array(value.numberOfFrames);
        value.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
        value.close();
        for (const sample of samples) {
          piece[filled++] = sample;
          if (filled === LENGTH) judge();
        }
      }
    };
    for (const { track } of pc.getReceivers()) if (track.kind === 'audio') void listen(track);
    video.muted = false; // the sound takes its whole way
  }, pitches);
}

export async function takeContent(page: Page): Promise<Content> {
  return page.evaluate(() => (window as unknown as ContentWindow).content);
}
