/// <reference lib="dom" />
import type { Page } from 'playwright-core';

/**
 * A WHEP viewer of the tests' own (not the product's player), living in a page of the server's origin. `measure`
 * watches the decoded picture and the decoded sound for a while, in the browser, where a person would.
 */
export interface Measured {
  widthPx: number;
  heightPx: number;
  framesPerSecond: number;
  /** RMS of the decoded sound, 0..1. */
  soundRms: number;
  /** Mean absolute luma change between successive samples (100 ms apart) in a region of the picture, 0..255. */
  regionChange: number;
  /** Mean share of blue in that region's colours, 0..1: a third where it is grey. */
  regionBlue: number;
  /** The same around the region's outside, for comparison. */
  elsewhereChange: number;
  state: string;
}

/** Picture part as fractions of its size. */
export interface Region {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

interface ViewerWindow {
  viewer: {
    pc: RTCPeerConnection;
    video: HTMLVideoElement;
    location: string;
    context: AudioContext;
    analyser: AnalyserNode;
  };
}

/** Connects and resolves with the ms from the call to the first decoded picture. */
export async function connectViewer(page: Page, whepUrl: string): Promise<number> {
  return page.evaluate(async (url) => {
    const startedMs = performance.now();
    const pc = new RTCPeerConnection();
    pc.addTransceiver('video', { direction: 'recvonly' });
    pc.addTransceiver('audio', { direction: 'recvonly' });
    const video = document.createElement('video');
    video.autoplay = true;
    video.muted = true;
    video.playsInline = true;
    document.body.append(video);
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    analyser.fftSize = 2048;
    const media = new MediaStream();
    pc.ontrack = ({ track }) => {
      media.addTrack(track);
      video.srcObject = media;
      if (track.kind === 'audio') context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    };
    const first = new Promise<void>((resolve) => video.requestVideoFrameCallback(() => resolve()));
    await pc.setLocalDescription(await pc.createOffer());
    if (pc.iceGatheringState !== 'complete') {
      await new Promise<void>((resolve) => {
        const limit = setTimeout(resolve, 200);
        pc.addEventListener('icegatheringstatechange', () => {
          if (pc.iceGatheringState !== 'complete') return;
          clearTimeout(limit);
          resolve();
        });
      });
    }
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp' },
      body: pc.localDescription?.sdp ?? '',
    });
    if (answer.status !== 201) throw new Error(`WHEP answered ${answer.status}: ${await answer.text()}`);
    const location = new URL(answer.headers.get('location') ?? '', url).href;
    await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
    const limit = new Promise<never>((_, reject) =>
      setTimeout(
        () => reject(new Error(`no picture in 15 s (${pc.connectionState}, ${pc.iceConnectionState})`)),
        15_000,
      ),
    );
    await Promise.race([first, limit]);
    (window as unknown as ViewerWindow).viewer = { pc, video, location, context, analyser };
    return performance.now() - startedMs;
  }, whepUrl);
}

export async function measure(page: Page, durationMs: number, region: Region): Promise<Measured> {
  return page.evaluate(
    async ({ durationMs, region }) => {
      const { pc, video, analyser } = (window as unknown as ViewerWindow).viewer;
      const decoded = async () => {
        for (const report of (await pc.getStats()).values())
          if (report.type === 'inbound-rtp' && report.kind === 'video') return report.framesDecoded as number;
        return 0;
      };
      const canvas = document.createElement('canvas');
      const [width, height] = [video.videoWidth, video.videoHeight];
      canvas.width = width;
      canvas.height = height;
      const draw = canvas.getContext('2d', { willReadFrequently: true });
      if (!draw) throw new Error('no canvas');
      const box = {
        x: Math.round(region.left * width),
        y: Math.round(region.top * height),
        w: Math.round((region.right - region.left) * width),
        h: Math.round((region.bottom - region.top) * height),
      };
      const luma = (x: number, y: number, w: number, h: number) => {
        const { data } = draw.getImageData(x, y, w, h);
        const out = new Float32Array(w * h);
        for (let i = 0; i < out.length; i += 1)
          out[i] =
            0.299 * (data[4 * i] ?? 0) + 0.587 * (data[4 * i + 1] ?? 0) + 0.114 * (data[4 * i + 2] ?? 0);
        return out;
      };
      const blueOf = (x: number, y: number, w: number, h: number) => {
        const { data } = draw.getImageData(x, y, w, h);
        let [all, blue] = [1, 0];
        for (let i = 0; i < data.length; i += 4) {
          all += (data[i] ?? 0) + (data[i + 1] ?? 0) + (data[i + 2] ?? 0);
          blue += data[i + 2] ?? 0;
        }
        return blue / all;
      };
      const change = (a: Float32Array, b: Float32Array) =>
        a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] ?? 0)), 0) / a.length;
      const sound = new Float32Array(analyser.fftSize);
      let before: { region: Float32Array; top: Float32Array } | undefined;
      let [energy, blocks, regionChange, elsewhere, samples, blue] = [0, 0, 0, 0, 0, 0];
      const [frames0, t0] = [await decoded(), performance.now()];
      while (performance.now() - t0 < durationMs) {
        draw.drawImage(video, 0, 0);
        const now = {
          region: luma(box.x, box.y, box.w, box.h),
          top: luma(0, 0, width, Math.max(2, Math.round(height * 0.08))),
        };
        if (before) {
          regionChange += change(now.region, before.region);
          elsewhere += change(now.top, before.top);
          samples += 1;
        }
        before = now;
        blue += blueOf(box.x, box.y, box.w, box.h);
        analyser.getFloatTimeDomainData(sound);
        energy += sound.reduce((sum, value) => sum + value * value, 0) / sound.length;
        blocks += 1;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      const seconds = (performance.now() - t0) / 1000;
      return {
        widthPx: width,
        heightPx: height,
        framesPerSecond: ((await decoded()) - frames0) / seconds,
        soundRms: Math.sqrt(energy / blocks),
        regionChange: regionChange / samples,
        regionBlue: blue / blocks,
        elsewhereChange: elsewhere / samples,
        state: pc.connectionState,
      };
    },
    { durationMs, region },
  );
}

/** Ends the viewing as WHEP says; resolves with the status of the DELETE. */
export async function disconnectViewer(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const { pc, location, context } = (window as unknown as ViewerWindow).viewer;
    const { status } = await fetch(location, { method: 'DELETE' });
    pc.close();
    await context.close();
    return status;
  });
}
