/// <reference lib="dom" />
import type { Page } from 'playwright-core';
import { SOUND_BLOCK_MS } from './continuity.js';
import { relayAnswer, withoutCandidates } from './relayed-answer.js';
import type { UdpRelay } from './udp-relay.js';

/**
 * A WHEP viewer in a page of the server's origin that keeps a diary of every picture shown and of how loud the sound
 * is, through a relay or directly.
 */

/** A picture: when it was shown, by the page's clock, and its width. */
export type Shown = readonly [atMs: number, widthPx: number];

/** Totals since the connection began, of the browser's own statistics (webrtc-stats names where they are plain). */
export interface ViewerStats {
  bytesReceived: number;
  packetsReceived: number;
  packetsLost: number;
  framesDecoded: number;
  keyFramesDecoded: number;
  freezeCount: number;
  totalFreezesMs: number;
  pliCount: number;
  nackCount: number;
  retransmittedPacketsReceived: number;
  audioPacketsLost: number;
  audioSamples: number;
  concealedSamples: number;
  silentConcealedSamples: number;
  fecPacketsReceived: number;
  /** Sum and count: the mean over a while is a quotient of differences. */
  rttSumMs: number;
  rttCount: number;
}

export interface Diary {
  /** The page's clock at the end. */
  readonly nowMs: number;
  readonly shown: readonly Shown[];
  /** RMS of each {@link SOUND_BLOCK_MS}. */
  readonly loudness: readonly number[];
  readonly stats: ViewerStats;
}

interface DiaryWindow {
  diary: {
    pc: RTCPeerConnection;
    location: string;
    shown: [number, number][];
    loudness: number[];
    live: boolean;
    context: AudioContext;
  };
}

const LOUDNESS_WORKLET = `
registerProcessor('loudness', class extends AudioWorkletProcessor {
  constructor() { super(); this.sum = 0; this.count = 0; this.block = Math.round(sampleRate * ${SOUND_BLOCK_MS / 1000}); this.done = []; }
  process([input]) {
    const sound = input[0];
    for (let i = 0; i < 128; i += 1) {
      const value = sound === undefined ? 0 : sound[i];
      this.sum += value * value;
      this.count += 1;
      if (this.count < this.block) continue;
      this.done.push(Math.sqrt(this.sum / this.count));
      this.sum = 0;
      this.count = 0;
    }
    if (this.done.length >= 10) { this.port.postMessage(this.done); this.done = []; }
    return true;
  }
});`;

export class MeasuredViewer {
  readonly page: Page;

  private constructor(page: Page) {
    this.page = page;
  }

  /** Resolves at the first picture. Throws if the media do not come through the relay. */
  static async connect(page: Page, whepUrl: string, relay?: UdpRelay): Promise<MeasuredViewer> {
    const viewer = new MeasuredViewer(page);
    await viewer.#openPlayer();
    const offer = await page.evaluate(async () => {
      const { pc } = (window as unknown as DiaryWindow).diary;
      await pc.setLocalDescription();
      return pc.localDescription?.sdp ?? '';
    });
    const answer = await viewer.#post(whepUrl, withoutCandidates(offer));
    const relayed = relay === undefined ? undefined : relayAnswer(answer, relay.port);
    if (relayed !== undefined) await relay?.setUpstream(relayed.upstream);
    await page.evaluate(async (sdp) => {
      const { diary } = window as unknown as DiaryWindow;
      await diary.pc.setRemoteDescription({ type: 'answer', sdp });
    }, relayed?.sdp ?? answer);
    await page.waitForFunction(() => (window as unknown as DiaryWindow).diary.live, null, {
      timeout: 20_000,
    });
    if (relay !== undefined) await viewer.#assertRelayed(relay.port);
    return viewer;
  }

  /** What happened since the last call. */
  async take(): Promise<Diary> {
    return this.page.evaluate(async () => {
      const { diary } = window as unknown as DiaryWindow;
      const stats = {
        ...{ bytesReceived: 0, packetsReceived: 0, packetsLost: 0, framesDecoded: 0, keyFramesDecoded: 0 },
        ...{ freezeCount: 0, totalFreezesMs: 0, pliCount: 0, nackCount: 0, retransmittedPacketsReceived: 0 },
        ...{ audioPacketsLost: 0, audioSamples: 0, concealedSamples: 0, silentConcealedSamples: 0 },
        ...{ fecPacketsReceived: 0, rttSumMs: 0, rttCount: 0 },
      };
      for (const entry of (await diary.pc.getStats()).values() as Iterable<Record<string, unknown>>) {
        const number = (name: string): number => (typeof entry[name] === 'number' ? entry[name] : 0);
        if (entry['type'] === 'candidate-pair') {
          stats.rttSumMs += number('totalRoundTripTime') * 1000;
          stats.rttCount += number('responsesReceived');
        }
        if (entry['type'] !== 'inbound-rtp') continue;
        stats.bytesReceived += number('bytesReceived') + number('headerBytesReceived');
        stats.packetsReceived += number('packetsReceived');
        stats.packetsLost += number('packetsLost');
        stats.nackCount += number('nackCount');
        stats.retransmittedPacketsReceived += number('retransmittedPacketsReceived');
        if (entry['kind'] === 'audio') {
          stats.audioPacketsLost = number('packetsLost');
          stats.audioSamples = number('totalSamplesReceived');
          stats.concealedSamples = number('concealedSamples');
          stats.silentConcealedSamples = number('silentConcealedSamples');
          stats.fecPacketsReceived = number('fecPacketsReceived');
        } else {
          stats.framesDecoded = number('framesDecoded');
          stats.keyFramesDecoded = number('keyFramesDecoded');
          stats.freezeCount = number('freezeCount');
          stats.totalFreezesMs = number('totalFreezesDuration') * 1000;
          stats.pliCount = number('pliCount');
        }
      }
      return {
        nowMs: performance.now(),
        shown: diary.shown.splice(0),
        loudness: diary.loudness.splice(0),
        stats,
      };
    });
  }

  /** Waits until the tone is heard for half a second on end. */
  async hear(): Promise<void> {
    const loud = () =>
      (window as unknown as DiaryWindow).diary.loudness.slice(-50).filter((rms) => rms > 0.02).length === 50;
    await this.page.waitForFunction(loud, null, { timeout: 20_000, polling: 100 });
  }

  async close(): Promise<void> {
    await this.page.evaluate(async () => {
      const { pc, location, context } = (window as unknown as DiaryWindow).diary;
      await fetch(location, { method: 'DELETE' });
      pc.close();
      await context.close();
    });
    await this.page.close();
  }

  async #openPlayer(): Promise<void> {
    await this.page.evaluate(async (worklet) => {
      const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
      pc.addTransceiver('audio', { direction: 'recvonly' });
      pc.addTransceiver('video', { direction: 'recvonly' });
      const context = new AudioContext({ sampleRate: 48_000 });
      await context.audioWorklet.addModule(
        URL.createObjectURL(new Blob([worklet], { type: 'text/javascript' })),
      );
      const diary: DiaryWindow['diary'] = {
        ...{ pc, context, location: '', live: false },
        ...{ shown: [], loudness: [] },
      };
      (window as unknown as DiaryWindow).diary = diary;
      const loudness = new AudioWorkletNode(context, 'loudness');
      loudness.port.onmessage = ({ data }: MessageEvent<number[]>) => diary.loudness.push(...data);
      loudness.connect(context.destination);
      const video = document.createElement('video');
      Object.assign(video, { autoplay: true, muted: true, playsInline: true });
      document.body.append(video);
      const media = new MediaStream();
      pc.ontrack = ({ track }) => {
        media.addTrack(track);
        video.srcObject = media;
        if (track.kind === 'audio')
          context.createMediaStreamSource(new MediaStream([track])).connect(loudness);
      };
      const onPicture = (_: number, { presentationTime, width }: VideoFrameCallbackMetadata): void => {
        diary.shown.push([presentationTime, width]);
        diary.live = true;
        video.requestVideoFrameCallback(onPicture);
      };
      video.requestVideoFrameCallback(onPicture);
    }, LOUDNESS_WORKLET);
  }

  async #post(whepUrl: string, offer: string): Promise<string> {
    return this.page.evaluate(
      async ({ whepUrl, offer }) => {
        const answer = await fetch(whepUrl, {
          method: 'POST',
          headers: { 'content-type': 'application/sdp' },
          body: offer,
        });
        const text = await answer.text();
        if (answer.status !== 201) throw new Error(`WHEP answered ${answer.status}: ${text}`);
        const { diary } = window as unknown as DiaryWindow;
        diary.location = new URL(answer.headers.get('location') ?? '', whepUrl).href;
        return text;
      },
      { whepUrl, offer },
    );
  }

  async #assertRelayed(relayPort: number): Promise<void> {
    const ports = await this.page.evaluate(async () => {
      const report = await (window as unknown as DiaryWindow).diary.pc.getStats();
      const entries = [...(report.values() as Iterable<Record<string, unknown>>)];
      const used = entries.filter(
        (entry) => entry['type'] === 'candidate-pair' && Number(entry['bytesReceived']) > 0,
      );
      return used.map(
        ({ remoteCandidateId }) => (report.get(String(remoteCandidateId)) as { port: number }).port,
      );
    });
    if (ports.length === 0 || ports.some((port) => port !== relayPort))
      throw new Error(`media came from port ${ports.join(', ')}, not through the relay at ${relayPort}`);
  }
}

/** Each total of `after` less that of `before`. */
export function statsBetween(before: ViewerStats, after: ViewerStats): ViewerStats {
  const difference = { ...after };
  for (const name of Object.keys(after) as (keyof ViewerStats)[])
    difference[name] = after[name] - before[name];
  return difference;
}
