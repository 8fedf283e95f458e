/// <reference lib="dom" />
import type { Page } from 'playwright-core';
import type { Region } from './whep-page.js';

/**
 * A microphone in the page of a viewer (whep-page.ts), made by code: silence until `speak`, then a voice-like tone. Its
 * session's mouth is watched in the decoded picture. Times are performance.now() of the page.
 */
interface MicWindow {
  viewer: { video: HTMLVideoElement };
  mic: { pc: RTCPeerConnection; gain: GainNode; context: AudioContext; location: string };
  mouth: { shownMs: number; change: number }[];
}

export async function openMicrophone(page: Page, whipUrl: string): Promise<void> {
  await page.evaluate(async (url) => {
    const context = new AudioContext({ sampleRate: 48_000, latencyHint: 'interactive' });
    const gain = context.createGain();
    gain.gain.value = 0;
    for (const k of [1, 2, 3, 5, 8]) {
      const oscillator = context.createOscillator();
      oscillator.frequency.value = 150 * k;
      const level = context.createGain();
      level.gain.value = 0.3 / k;
      oscillator.connect(level).connect(gain);
      oscillator.start();
    }
    const destination = context.createMediaStreamDestination();
    gain.connect(destination);
    await context.resume();
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    const [track] = destination.stream.getAudioTracks();
    pc.addTransceiver(track!, { direction: 'sendonly', streams: [destination.stream] });
    await pc.setLocalDescription();
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp' },
      body: pc.localDescription?.sdp ?? '',
    });
    const text = await answer.text();
    if (answer.status !== 201) throw new Error(`WHIP answered ${answer.status}: ${text}`);
    const location = new URL(answer.headers.get('location') ?? '', url).href;
    await pc.setRemoteDescription({ type: 'answer', sdp: text });
    await new Promise<void>((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error(`not connected: ${pc.connectionState}`)), 10_000);
      const look = (): void => {
        if (pc.connectionState !== 'connected') return;
        clearTimeout(limit);
        resolve();
      };
      pc.onconnectionstatechange = look;
      look();
    });
    (window as unknown as MicWindow).mic = { pc, gain, context, location };
  }, whipUrl);
}

/** Notes how much the region changes from picture to picture, in levels of 0 to 255. */
export async function watchMouth(page: Page, region: Region): Promise<void> {
  await page.evaluate(({ left, top, right, bottom }) => {
    const scope = window as unknown as MicWindow;
    const { video } = scope.viewer;
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [40, 24];
    const draw = canvas.getContext('2d', { willReadFrequently: true })!;
    let last: Uint8ClampedArray | undefined;
    scope.mouth = [];
    const onPicture: VideoFrameRequestCallback = (_, { expectedDisplayTime }) => {
      video.requestVideoFrameCallback(onPicture);
      const [width, height] = [video.videoWidth, video.videoHeight];
      draw.drawImage(
        ...([video, left * width, top * height, (right - left) * width, (bottom - top) * height] as const),
        ...([0, 0, canvas.width, canvas.height] as const),
      );
      const { data } = draw.getImageData(0, 0, canvas.width, canvas.height);
      let sum = 0;
      if (last !== undefined) for (let i = 0; i < data.length; i += 4) sum += Math.abs(data[i]! - last[i]!);
      last = data;
      scope.mouth.push({ shownMs: expectedDisplayTime, change: sum / (data.length / 4) });
    };
    video.requestVideoFrameCallback(onPicture);
  }, region);
}

/** Speaks for a while after a second of silence. Resolves with the ms until the lips moved; undefined if they did not. */
export async function micToLips(page: Page, speakMs: number): Promise<number | undefined> {
  return page.evaluate(async (speakMs) => {
    const scope = window as unknown as MicWindow;
    const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
    scope.mouth.splice(0);
    await pause(1000);
    const idle = Math.max(...scope.mouth.map(({ change }) => change));
    const startedMs = performance.now();
    scope.mic.gain.gain.setValueAtTime(1, scope.mic.context.currentTime);
    await pause(speakMs);
    scope.mic.gain.gain.setValueAtTime(0, scope.mic.context.currentTime);
    const moved = scope.mouth.find(({ shownMs, change }) => shownMs > startedMs && change > 1.5 * idle + 0.3);
    await pause(1500);
    return moved && moved.shownMs - startedMs;
  }, speakMs);
}

/** What the microphone's browser was told of its line, once it was (RTCP receiver reports). */
export async function lineReport(
  page: Page,
): Promise<{ packetsLost: number; fractionLost: number; roundTripTime: number }> {
  const report = await page.waitForFunction(async () => {
    const { pc } = (window as unknown as MicWindow).mic;
    const told = [...(await pc.getStats()).values()].find(({ type }) => type === 'remote-inbound-rtp');
    return told?.roundTripTimeMeasurements > 0 ? told : undefined;
  });
  return (await report.jsonValue()) as Awaited<ReturnType<typeof lineReport>>;
}

export async function closeMicrophone(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const { pc, context, location } = (window as unknown as MicWindow).mic;
    await fetch(location, { method: 'DELETE' });
    pc.close();
    await context.close();
  });
}
