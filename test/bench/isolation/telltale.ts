import type { Browser, Page } from 'playwright-core';
import { AudioClient } from '../../helpers/audio-client.js';
import { postJsonTo, type TestServer } from '../../helpers/server.js';
import { connectViewer } from '../../helpers/whep-page.js';
import { takeContent, watchContent } from './content-page.js';

const RATE = 16_000;
const PIECE_MS = 20;
const UTTERANCE_S = 10;
/** Up to so much later than due does a piece arrive. */
const UNEVEN_MS = 400;

/** What tells the two sessions apart: the picture's tint and the voice's pitch, whose overtones do not meet. */
export const TELLTALE = [
  { name: 'red', tint: 'lutrgb=b=val*0.3', pitchHz: 150 },
  { name: 'blue', tint: 'lutrgb=r=val*0.3', pitchHz: 190 },
] as const;
/** Where neither has an overtone: as loud as the other's pitch where sound begins or breaks off, which is no pitch at all. */
const NOBODYS_PITCH_HZ = 262;

export interface IsolationFigures {
  readonly avatar: string;
  readonly pictures: number;
  readonly strangePictures: number;
  /** The smallest lead of the own colour over the other's, 0..255. */
  readonly colourMargin: number;
  readonly soundPieces: number;
  readonly strangePieces: number;
  /** The loudest that the other's pitch was, against the own one, where it was a pitch. */
  readonly otherPitchDb: number;
  readonly spokenS: number;
  readonly lostSamples: number;
}

/** One session whose every picture and sound says whose it is. */
export class Telltale {
  readonly #which: number;
  readonly #page: Page;
  readonly #client: AudioClient;
  readonly #random: () => number;
  #utterances = 0;

  private constructor(which: number, page: Page, client: AudioClient, random: () => number) {
    this.#which = which;
    this.#page = page;
    this.#client = client;
    this.#random = random;
  }

  static async open(
    server: TestServer,
    browser: Browser,
    avatar: string,
    which: number,
    random: () => number,
  ): Promise<Telltale> {
    const { status, json } = await postJsonTo(server, '/v1/sessions', { avatar });
    if (status !== 201) throw new Error(`no session: ${status} ${JSON.stringify(json)}`);
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${server.url}/healthz`);
    await connectViewer(page, `${server.url}/whep/${String(json['id'])}`);
    const pitches = TELLTALE.map(({ pitchHz }) => pitchHz);
    await watchContent(page, { own: pitches[which]!, other: pitches[1 - which]!, neither: NOBODYS_PITCH_HZ });
    const client = await AudioClient.open(server.url, String(json['id']));
    client.send({ type: 'start', sampleRate: RATE, endAfterMs: null });
    await client.message('started');
    return new Telltale(which, page, client, random);
  }

  /** One utterance behind the other, of pieces that come in order and late. */
  async speakUntil(endMs: number): Promise<void> {
    const pcm = buzz(TELLTALE[this.#which]!.pitchHz, UTTERANCE_S);
    const size = (RATE * PIECE_MS * 2) / 1000;
    while (performance.now() < endMs) {
      const startedMs = performance.now();
      let dueMs = 0;
      for (let at = 0; at < pcm.length; at += size) {
        dueMs = Math.max(dueMs, (at / size) * PIECE_MS + UNEVEN_MS * this.#random() ** 6);
        const waitMs = startedMs + dueMs - performance.now();
        if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
        this.#client.sound(pcm.subarray(at, at + size));
      }
      this.#client.send({ type: 'end' });
      this.#utterances += 1;
      await this.#client.message('utterance.ended', () => this.#heard.length === this.#utterances);
    }
  }

  async end(): Promise<IsolationFigures> {
    const content = await takeContent(this.#page);
    const playedMs = this.#heard.reduce((sum, { playedMs }) => sum + Number(playedMs), 0);
    this.#client.socket.close();
    const margin = content.pictures.map(([red, blue]) => (this.#which === 0 ? red - blue : blue - red));
    const decibels = content.sound.map(
      ([own, other, neither]) => 10 * Math.log10(Math.max(other - 4 * neither, 1e-9) / own),
    );
    return {
      avatar: TELLTALE[this.#which]!.name,
      pictures: margin.length,
      strangePictures: margin.filter((lead) => !(lead > 0)).length,
      colourMargin: round(Math.min(...margin.slice(-1e5))),
      soundPieces: decibels.length,
      strangePieces: decibels.filter((ratio) => !(ratio < -10)).length,
      otherPitchDb: round(Math.max(...decibels.slice(-1e5))),
      spokenS: round(playedMs / 1000),
      lostSamples: Math.round(Math.abs(this.#utterances * UTTERANCE_S * 1000 - playedMs) * 48),
    };
  }

  get #heard() {
    return this.#client.told.filter(({ type }) => type === 'utterance.ended');
  }
}

const round = (value: number): number => Number(value.toFixed(1));

/** PCM16LE mono: even overtones of a pitch, beating four times a second without ever falling silent. */
function buzz(pitchHz: number, lengthS: number): Uint8Array {
  const samples = Int16Array.from({ length: lengthS * RATE }, (_, i) => {
    const t = i / RATE;
    const tone = [1, 2, 3, 5, 7].reduce((sum, k) => sum + Math.sin(2 * Math.PI * pitchHz * k * t) / k, 0);
    return 5000 * (0.65 + 0.35 * Math.sin(2 * Math.PI * 4 * t)) * tone;
  });
  return new Uint8Array(samples.buffer);
}
