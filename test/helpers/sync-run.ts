import type { Browser, Page } from 'playwright-core';
import { BEEPS_SECONDS, FLASH_FPS, type FlashServer, type FlashSession } from './flash-server.js';
import { DRAWN_MODULO_MS, readBits } from './picture-code.js';
import { pairUp, percentile, syncFigures, type Pair, type SyncFigures } from './sync-figures.js';
import { observeSync, takeObserved, type ShownPicture } from './sync-page.js';
import { connectViewer, disconnectViewer } from './whep-page.js';

const VIDEO_TICKS = 90_000;
const TICKS_PER_PICTURE = VIDEO_TICKS / FLASH_FPS;
/** More beeps are queued while less than this of them is left. */
const BEEPS_AHEAD_S = 30;

/** What a run tells while it goes on. */
export interface SyncSecond {
  readonly atS: number;
  /** Of the latest pair. */
  readonly skewMs: number | undefined;
  readonly pairs: number;
  readonly playoutDelayMs: number;
  readonly ownEstimateMs: number;
}

export interface SyncResult extends SyncFigures {
  readonly points: readonly Pair[];
  readonly picturesShown: number;
  /** Pictures whose blocks could not be read, or that were not the one that the callback was for. */
  readonly picturesMisread: number;
  /** From drawing in the worker to the screen; the server's constant lead (80 ms and the look-ahead) is in it. */
  readonly latencyP50Ms: number;
  readonly latencyP95Ms: number;
  /** From the picture's time on the session's clock, when it is sent, to the screen. */
  readonly sentToShownP50Ms: number;
  readonly sentToShownP95Ms: number;
  /** Constant of the browser's sound output, in the skew already. */
  readonly playoutDelayMs: number;
}

/** Plays the flash engine in a new page for a while and measures every flash against its beep. */
export async function runSync(options: {
  server: FlashServer;
  browser: Browser;
  seconds: number;
  onSecond?(second: SyncSecond): void;
}): Promise<SyncResult> {
  const { server, browser, seconds, onSecond } = options;
  const session = await server.open();
  const page = await browser.newPage();
  await page.goto(`${server.server.url}/healthz`);
  await session.beep(); // before the viewer comes, so that its first second has beeps, too
  await connectViewer(page, session.whepUrl);
  const run = new SyncRun(server, session, page, await observeSync(page));
  for (let atS = 1; atS <= seconds; atS += 1) {
    await run.untilSecond(atS);
    const second = await run.take(atS);
    onSecond?.(second);
  }
  const result = run.result();
  await disconnectViewer(page);
  await page.close();
  await session.end();
  return result;
}

/** What is kept of a run: two numbers a beep and two a picture. */
class SyncRun {
  readonly #server: FlashServer;
  readonly #session: FlashSession;
  readonly #page: Page;
  readonly #startedPageMs: number;
  readonly #startedMs = performance.now();
  readonly #flashes: { shownMs: number; onsetMs: number; rtpBase: number }[] = [];
  readonly #beepsMs: number[] = [];
  readonly #latenciesMs: number[] = [];
  readonly #sentToShownMs: number[] = [];
  readonly #rtpBases = new Map<number, number>();
  #beepSeconds = BEEPS_SECONDS;
  #unreadable = 0;
  #shown = 0;
  #playoutDelayMs = Number.NaN;

  constructor(server: FlashServer, session: FlashSession, page: Page, startedPageMs: number) {
    this.#server = server;
    this.#session = session;
    this.#page = page;
    this.#startedPageMs = startedPageMs;
  }

  async untilSecond(atS: number): Promise<void> {
    const waitMs = this.#startedMs + atS * 1000 - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
  }

  async take(atS: number): Promise<SyncSecond> {
    if (atS > this.#beepSeconds - BEEPS_AHEAD_S) {
      this.#beepSeconds += BEEPS_SECONDS;
      await this.#session.beep();
    }
    const clockStartedMs = await this.#server.startedMs(this.#session.id);
    const { pictures, beepsMs, playoutDelayMs, ownEstimateMs } = await takeObserved(this.#page);
    for (const picture of pictures) this.#picture(picture, clockStartedMs);
    this.#beepsMs.push(...beepsMs);
    this.#playoutDelayMs = playoutDelayMs;
    const { points } = this.#pairs();
    return { atS, skewMs: points.at(-1)?.skewMs, pairs: points.length, playoutDelayMs, ownEstimateMs };
  }

  result(): SyncResult {
    const { points, unpaired } = this.#pairs();
    const usual = this.#usualBase();
    let misread = this.#unreadable;
    for (const [base, count] of this.#rtpBases) if (base !== usual) misread += count;
    return {
      ...syncFigures(points, unpaired),
      points,
      picturesShown: this.#shown,
      picturesMisread: misread,
      latencyP50Ms: percentile(this.#latenciesMs, 0.5),
      latencyP95Ms: percentile(this.#latenciesMs, 0.95),
      sentToShownP50Ms: percentile(this.#sentToShownMs, 0.5),
      sentToShownP95Ms: percentile(this.#sentToShownMs, 0.95),
      playoutDelayMs: this.#playoutDelayMs,
    };
  }

  #picture({ bits, rtpTimestamp, shownMs, shownUnixMs }: ShownPicture, clockStartedMs: number): void {
    this.#shown += 1;
    const facts = readBits(bits);
    if (facts === undefined) {
      this.#unreadable += 1;
      return;
    }
    const { index, drawnMs, onsetMs } = facts;
    // The callback's times and its picture belong together only if this is the same for all.
    const rtpBase = (rtpTimestamp - index * TICKS_PER_PICTURE) >>> 0;
    this.#rtpBases.set(rtpBase, (this.#rtpBases.get(rtpBase) ?? 0) + 1);
    this.#latenciesMs.push((shownUnixMs - drawnMs) % DRAWN_MODULO_MS);
    this.#sentToShownMs.push(shownUnixMs - clockStartedMs - (index * 1000) / FLASH_FPS);
    if (onsetMs !== undefined) this.#flashes.push({ shownMs, onsetMs, rtpBase });
  }

  #usualBase(): number | undefined {
    return [...this.#rtpBases].sort(([, a], [, b]) => b - a)[0]?.[0];
  }

  /**
   * A flash is as late as its picture; that a beep begins within a picture's 40 ms and not at its start is known to
   * the sixteenth of a ms and taken out, as it says nothing of the path.
   */
  #pairs(): { points: Pair[]; unpaired: number } {
    const usual = this.#usualBase();
    const flashesMs = this.#flashes
      .filter(({ rtpBase }) => rtpBase === usual)
      .map(({ shownMs, onsetMs }) => shownMs + onsetMs);
    const { pairs, unpaired } = pairUp(flashesMs, this.#beepsMs);
    const points = pairs.map(({ flashMs, beepMs }) => ({
      atMs: beepMs - this.#startedPageMs,
      skewMs: flashMs - beepMs,
    }));
    return { points, unpaired };
  }
}
