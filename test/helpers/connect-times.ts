/// <reference lib="dom" />
import type { Page } from 'playwright-core';

/** Ms from the making of the peer connection to each step of the way to a first picture. */
export interface ConnectTimes {
  localDescription: number;
  posted: number;
  answered: number;
  iceConnected: number;
  dtlsConnected: number;
  /** The last packet of the first picture came in. */
  pictureReceived: number;
  /** It is decoded and up for display. */
  pictureShown: number;
}

export const CONNECT_STEPS: readonly (keyof ConnectTimes)[] = [
  'localDescription',
  'posted',
  'answered',
  'iceConnected',
  'dtlsConnected',
  'pictureReceived',
  'pictureShown',
];

type Times = Partial<ConnectTimes>;

/** Makes the page note the times of its first peer connection, whatever script makes it; call it before the page loads. */
export async function noteConnectTimes(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const times: Times = {};
    (window as unknown as { connectTimes: Times }).connectTimes = times;
    let startMs: number | undefined;
    const note = (step: keyof ConnectTimes, atMs = performance.now()): void => {
      if (startMs !== undefined) times[step] ??= atMs - startMs;
    };
    const watchTransport = (pc: RTCPeerConnection): void => {
      const transport = pc.getReceivers()[0]?.transport;
      transport?.addEventListener('statechange', () => {
        if (transport.state === 'connected') note('dtlsConnected');
      });
    };
    window.RTCPeerConnection = class extends RTCPeerConnection {
      constructor(configuration?: RTCConfiguration) {
        const nowMs = performance.now();
        super(configuration);
        if (startMs !== undefined) return;
        startMs = nowMs;
        this.addEventListener('iceconnectionstatechange', () => {
          if (this.iceConnectionState === 'connected') note('iceConnected');
        });
        this.addEventListener('track', () => {
          document.querySelector('video')?.requestVideoFrameCallback((_, { receiveTime }) => {
            note('pictureReceived', receiveTime);
            note('pictureShown');
          });
        });
      }
      override async setLocalDescription(description?: RTCLocalSessionDescriptionInit): Promise<void> {
        await super.setLocalDescription(description);
        note('localDescription');
        watchTransport(this);
      }
    };
    const nativeFetch = window.fetch.bind(window);
    window.fetch = async (input, init) => {
      const isOffer = init?.method === 'POST' && String(input).includes('/whep/');
      if (isOffer) note('posted');
      const response = await nativeFetch(input, init);
      if (isOffer) note('answered');
      return response;
    };
  });
}

/** Waits for the first picture. */
export async function connectTimes(page: Page): Promise<ConnectTimes> {
  const shown = (): boolean =>
    (window as unknown as { connectTimes: Times }).connectTimes.pictureShown !== undefined;
  await page.waitForFunction(shown, null, { timeout: 15_000, polling: 50 });
  return page.evaluate(() => (window as unknown as { connectTimes: ConnectTimes }).connectTimes);
}
