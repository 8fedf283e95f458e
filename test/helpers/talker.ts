import type { Browser, Page } from 'playwright-core';
import { AudioClient } from './audio-client.js';
import { lcg, voice } from './live-sound.js';
import { postJsonTo, type TestServer } from './server.js';
import { endNear, onsetNear, shownAt, stopOf } from './talk-figures.js';
import { closeMicrophone, lineReport, micToLips, openMicrophone, watchMouth } from './mic-page.js';
import { interruptFrom, observeTalk, pageClockOffset, takeTalk, type Talk } from './talk-page.js';
import { connectViewer } from './whep-page.js';

const RATE = 16_000;
const PIECE_MS = 20;
/** "The first 200 ms of speech". */
const FIRST_MS = 200;
const QUIET_MS = 700;
/** Of the demo avatar. */
const MOUTH = { left: 0.35, top: 0.5, right: 0.65, bottom: 0.75 };

/** What a conversation of one session measured, a number a round. */
export interface TalkerFigures {
  /** From when the first 200 ms of speech had been sent to the first lip picture on the screen. */
  readonly firstFrameMs: number[];
  /** From the request to silence and a shut mouth, whichever was later; and each. */
  readonly interruptMs: number[];
  readonly silentMs: number[];
  readonly shutMs: number[];
  /** Arrival of an event less when it was heard what it tells. */
  readonly eventLatenessMs: number[];
  /** From a voice at the microphone (WHIP) to lips that move on the screen. */
  readonly micToLipsMs: number[];
  /** What we told its browser of its line: packets lost, and the round trip in seconds. */
  line: { packetsLost: number; roundTripTime: number } | undefined;
  /** Samples at 48 kHz that were sent and not heard, of speech that was not interrupted. */
  lostSamples: number;
  readonly depthMs: number[];
}

/** One session with a viewer in a browser and a sender on its WebSocket, who speaks evenly, unevenly, and is interrupted. */
export class Talker {
  readonly figures: TalkerFigures = {
    ...{ firstFrameMs: [], interruptMs: [], silentMs: [], shutMs: [], eventLatenessMs: [], depthMs: [] },
    ...{ micToLipsMs: [], lostSamples: 0, line: undefined },
  };
  readonly #page: Page;
  readonly #client: AudioClient;
  readonly #sessionUrl: string;
  readonly #whipUrl: string;
  readonly #random: () => number;

  private constructor(page: Page, client: AudioClient, sessionUrl: string, whipUrl: string, seed: number) {
    this.#whipUrl = whipUrl;
    this.#page = page;
    this.#client = client;
    this.#sessionUrl = sessionUrl;
    this.#random = lcg(seed);
  }

  static async open(server: TestServer, browser: Browser, avatar: string, seed: number): Promise<Talker> {
    const { status, json } = await postJsonTo(server, '/v1/sessions', { avatar });
    if (status !== 201) throw new Error(`no session: ${status} ${JSON.stringify(json)}`);
    const id = String(json['id']);
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`${server.url}/healthz`);
    await connectViewer(page, `${server.url}/whep/${id}`);
    const sessionUrl = `${server.url}/v1/sessions/${id}`;
    await observeTalk(page, `${sessionUrl}/events`);
    const client = await AudioClient.open(server.url, id);
    client.send({ type: 'start', sampleRate: RATE, endAfterMs: null });
    await client.message('started');
    return new Talker(page, client, sessionUrl, `${server.url}/whip/${id}`, seed);
  }

  /** Even speech, cut off by the viewer in the middle. */
  async interruptedRound(): Promise<void> {
    await this.#settle();
    const offsetMs = await pageClockOffset(this.#page);
    const speaking = this.#client.stream(voice(RATE, 2000), RATE);
    await pause(1000 + 400 * this.#random());
    const interrupt = await interruptFrom(this.#page, `${this.#sessionUrl}/interrupt`);
    const { sentMs } = await speaking;
    this.#client.send({ type: 'end' });
    await pause(QUIET_MS);
    const talk = await takeTalk(this.#page);
    const started = talk.events.find(({ name }) => name === 'started');
    const firstSentMs = sentMs[FIRST_MS / PIECE_MS - 1];
    const lipsMs = started?.data.rtp && shownAt(talk, started.data.rtp.video);
    if (lipsMs !== undefined && firstSentMs !== undefined)
      this.figures.firstFrameMs.push(lipsMs - (firstSentMs + offsetMs));
    const stop = stopOf(talk, interrupt);
    if (stop === undefined) throw new Error(`an interrupt was not seen: ${JSON.stringify(interrupt)}`);
    this.figures.silentMs.push(stop.silentMs);
    this.figures.shutMs.push(stop.shutMs);
    this.figures.interruptMs.push(Math.max(stop.silentMs, stop.shutMs));
    this.#lateness(talk);
  }

  /** Speech whose pieces arrive up to 400 ms late, heard to its end. */
  async unevenRound(seconds: number): Promise<void> {
    await this.#settle();
    const pcm = voice(RATE, seconds * 1000);
    const size = (RATE * PIECE_MS * 2) / 1000;
    const startedMs = performance.now();
    let dueMs = 0;
    for (let at = 0; at < pcm.length; at += size) {
      dueMs = Math.max(dueMs, (at / size) * PIECE_MS + 400 * this.#random() ** 6);
      await pause(startedMs + dueMs - performance.now());
      this.#client.sound(pcm.subarray(at, at + size));
    }
    const before = this.#client.told.length;
    this.#client.send({ type: 'end' });
    await this.#client.message(
      'utterance.ended',
      (told) => this.#client.told.indexOf(told as never) >= before,
    );
    const ended = this.#client.told.slice(before).find(({ type }) => type === 'utterance.ended');
    this.figures.lostSamples += Math.abs(seconds * 1000 - Number(ended?.['playedMs'])) * 48;
    for (const { type, depthMs } of this.#client.told)
      if (type === 'audio.buffer') this.figures.depthMs.push(Number(depthMs));
    await pause(QUIET_MS);
    this.#lateness(await takeTalk(this.#page));
  }

  /** The sender gives way to a microphone in the viewer's page. */
  async microphoneRounds(count: number): Promise<void> {
    this.#client.socket.close();
    await this.#client.end();
    await pause(200);
    await openMicrophone(this.#page, this.#whipUrl);
    await watchMouth(this.#page, MOUTH);
    for (let round = 0; round < count; round += 1) {
      const ms = await micToLips(this.#page, 800 + 200 * this.#random());
      if (ms === undefined) throw new Error('a voice at the microphone moved no lips');
      this.figures.micToLipsMs.push(ms);
    }
    this.figures.line = await lineReport(this.#page);
    await closeMicrophone(this.#page);
  }

  async close(): Promise<void> {
    this.#client.socket.close();
    await this.#page.context().close();
    await fetch(this.#sessionUrl, { method: 'DELETE' });
  }

  async #settle(): Promise<void> {
    await pause(QUIET_MS);
    await takeTalk(this.#page);
    this.#client.told.splice(0);
    await pause(200); // silence that a beginning can be told from
  }

  #lateness(talk: Talk): void {
    for (const { name, atMs } of talk.events) {
      const heardMs = name === 'started' ? onsetNear(talk, atMs) : endNear(talk, atMs);
      if (heardMs !== undefined) this.figures.eventLatenessMs.push(atMs - heardMs);
    }
  }
}

function pause(ms: number): Promise<void> {
  return ms <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms));
}
