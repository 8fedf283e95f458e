import type { AvatarSource, EngineStream, MouthTuning, Take } from '../../engine/engine.js';
import { AppError } from '../../errors.js';
import { dissolve } from '../../media/dissolve.js';
import { i420SizeBytes, type I420Frame } from '../../media/frame.js';
import { ENGINE_RATE } from '../../media/timeline.js';
import { Actor } from './actor.js';
import { SoundMemory } from './sound-memory.js';

/** How long one face takes to become another. */
export const CROSS_FADE_MS = 200;
/** A face whose stream must hear for itself has heard so much of what was said before it enters. */
const CONTEXT_MS = 1500;

/** An avatar opened for the stage; both belong to it from then on. */
export interface Opened {
  readonly avatar: AvatarSource;
  readonly stream: EngineStream;
}

/** In the stage's picture numbers. */
export interface Entrance {
  /** The first picture that shows something of it, and the first that shows nothing else. */
  readonly fromPicture: number;
  readonly toPicture: number;
}

interface Waiting {
  readonly actor: Actor;
  readonly notBefore: number;
  readonly resolve: (entrance: Entrance) => void;
  readonly reject: (error: AppError) => void;
}

/** What is still seen of what was shown before: a face that goes on, or the last picture of two. */
interface Leaving {
  readonly what: Actor | Uint8Array;
  readonly fromPicture: number;
}

/**
 * What a session's viewers see: an avatar, or while one takes another's place, both. All hear the same sound, so the
 * lips go on in either. An engine's stream whose pictures all have the size of the first avatar, whoever is on.
 */
export class Stage implements EngineStream {
  readonly lookaheadMs: number;
  readonly widthPx: number;
  readonly heightPx: number;
  /** Absent where the engine's streams cannot. */
  readonly rewind?: (count: number) => void;
  readonly #fps: number;
  readonly #memory = new SoundMemory();
  /** All that hear: on the stage, leaving it, or about to enter. */
  readonly #cast = new Set<Actor>();
  readonly #gone = new Set<Promise<void>>();
  readonly #mixed: Uint8Array;
  #main: Actor;
  #leaving: Leaving | undefined;
  #waiting: Waiting | undefined;
  #next = 0;
  /** A picture of the main actor that the leaving one has no partner for yet. */
  #held: I420Frame | undefined;
  /** Changes whenever other pictures are wanted than those being drawn. */
  #turn = 0;
  #tuning: MouthTuning | undefined;
  #closed = false;
  /** Called before each picture with its number. */
  onPicture: (picture: number) => void = () => {};

  /** @param size of the pictures; the first avatar's if left out */
  constructor(first: Opened, options: { fps: number; widthPx?: number; heightPx?: number }) {
    const { fps, widthPx = first.avatar.widthPx, heightPx = first.avatar.heightPx } = options;
    this.#fps = fps;
    this.widthPx = widthPx;
    this.heightPx = heightPx;
    this.lookaheadMs = first.stream.lookaheadMs;
    this.#main = new Actor({ ...first, fps, widthPx, heightPx, firstPicture: 0, firstSample: 0 });
    this.#cast.add(this.#main);
    this.#mixed = new Uint8Array(i420SizeBytes(widthPx, heightPx));
    if (first.stream.rewind !== undefined) this.rewind = (count) => this.#go(-count);
  }

  /** The picture that is drawn next. */
  get next(): number {
    return this.#next;
  }

  get avatar(): AvatarSource {
    return this.#main.avatar;
  }

  /** Picture 0 of the avatar that is on, in memory of its own. */
  still(): I420Frame {
    return this.#main.still(0);
  }

  /**
   * Lets an avatar enter with a cross-fade. `open` is told which of the stage's pictures will be the first of its stream;
   * it enters as soon as it has heard enough, at picture `notBefore` at the earliest. Whoever waits to enter gives way.
   * @throws superseded when it had to give way itself, what `open` throws, not-supported, session-closed
   */
  async enter(
    open: (firstPicture: number) => Promise<Opened>,
    { notBefore = 0 }: { notBefore?: number } = {},
  ): Promise<Entrance> {
    const contextPictures = this.#hearsAs ? Infinity : Math.ceil((CONTEXT_MS * this.#fps) / 1000);
    const firstPicture = Math.max(0, this.#next - contextPictures);
    // A sample early: its pictures are never due later than those of who is on.
    const firstSample = Math.max(0, Math.floor((firstPicture * ENGINE_RATE) / this.#fps) - 1);
    const { fps, widthPx, heightPx } = { fps: this.#fps, widthPx: this.widthPx, heightPx: this.heightPx };
    const opened = await open(firstPicture);
    const actor = new Actor({ ...opened, fps, widthPx, heightPx, firstPicture, firstSample });
    try {
      if (this.#closed) throw new AppError('session-closed', 'the session ended');
      if (opened.stream.lookaheadMs > this.lookaheadMs)
        throw new AppError('not-supported', 'it needs more sound ahead than this session gives');
      if (this.#tuning !== undefined) actor.tune(this.#tuning);
      if (!this.#hearsAs) for (const pcm of this.#memory.since(firstSample)) actor.hear(pcm);
      this.#cast.add(actor);
      if (!this.#hearsAs) await actor.warmUp(Math.max(this.#next, notBefore));
      return await new Promise((resolve, reject) => {
        this.#giveWay();
        if (this.#closed) reject(new AppError('session-closed', 'the session ended'));
        else this.#waiting = { actor, notBefore, resolve, reject };
      });
    } catch (error) {
      this.#drop(actor);
      throw error;
    }
  }

  async *push(pcm: Float32Array): AsyncIterable<I420Frame> {
    this.#memory.push(pcm);
    for (const actor of this.#cast) actor.hear(pcm);
    while (!this.#closed) {
      const turn = this.#turn;
      this.onPicture(this.#next);
      this.#letEnter();
      const drawn = await this.#draw();
      if (this.#closed) return;
      if (turn !== this.#turn) continue;
      if (drawn === undefined) return;
      this.#next += 1;
      yield drawn;
    }
  }

  skip(count: number): void {
    this.#go(count);
  }

  cue(take: Take, timeMs: number): void {
    const { stream } = this.#main;
    if (stream.cue === undefined) take.close();
    else stream.cue(take, timeMs);
  }

  cut(untilMs: number): void {
    const fromMs = (this.#next * 1000) / this.#fps;
    const sampleAt = (ms: number): number => Math.round((ms * ENGINE_RATE) / 1000);
    this.#memory.hush(sampleAt(fromMs), sampleAt(untilMs));
    for (const actor of this.#cast) actor.cut(untilMs);
  }

  tune(tuning: MouthTuning): void {
    this.#tuning = tuning;
    for (const actor of this.#cast) actor.tune(tuning);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#giveWay('session-closed', 'the session ended');
    for (const actor of [...this.#cast]) this.#drop(actor);
    await Promise.all(this.#gone);
  }

  #go(by: number): void {
    this.#next += by;
    this.#turn += 1;
    this.#held = undefined;
    // At once: a cut that follows is told from which picture on.
    this.#main.seek(this.#next);
    if (this.#leaving?.what instanceof Actor) this.#leaving.what.seek(this.#next);
  }

  #letEnter(): void {
    const waiting = this.#waiting;
    if (waiting === undefined || this.#next < waiting.notBefore) return;
    this.#waiting = undefined;
    if (this.#hearsAs) waiting.actor.takeOver(this.#main, (sample) => this.#memory.since(sample));
    // Two faces that are half way into each other leave as one picture that stands still.
    const before = this.#leaving;
    const what = before === undefined ? this.#main : this.#mixed.slice();
    if (before !== undefined) {
      if (before.what instanceof Actor) this.#drop(before.what);
      this.#drop(this.#main);
    }
    this.#main = waiting.actor;
    this.#held = undefined;
    this.#leaving = { what, fromPicture: this.#next };
    waiting.resolve({ fromPicture: this.#next, toPicture: this.#next + this.#fadePictures });
  }

  /** One stream can go on where another stands: nothing has to be heard twice, and all begin with the stage. */
  get #hearsAs(): boolean {
    return this.#main.stream.hearAs !== undefined;
  }

  get #fadePictures(): number {
    return Math.max(1, Math.round((CROSS_FADE_MS * this.#fps) / 1000));
  }

  async #draw(): Promise<I420Frame | undefined> {
    const share = this.#shareOfMain();
    if (this.#held === undefined) this.#main.seek(this.#next);
    const main = (this.#held ??= await this.#main.picture());
    if (main === undefined) return undefined;
    if (share >= 1 || this.#leaving === undefined) {
      this.#held = undefined;
      return main;
    }
    const { what } = this.#leaving;
    if (what instanceof Actor) what.seek(this.#next);
    const other = what instanceof Actor ? (await what.picture())?.data : what;
    if (other === undefined) return undefined;
    this.#held = undefined;
    dissolve(this.#mixed, other, main.data, share);
    return { widthPx: this.widthPx, heightPx: this.heightPx, data: this.#mixed };
  }

  /** 0..1; whoever is not seen any more has left. */
  #shareOfMain(): number {
    if (this.#leaving === undefined) return 1;
    const { what, fromPicture } = this.#leaving;
    const share = (this.#next - fromPicture + 1) / (this.#fadePictures + 1);
    if (share < 1) return share;
    this.#leaving = undefined;
    if (what instanceof Actor) this.#drop(what);
    return 1;
  }

  #giveWay(
    code: 'superseded' | 'session-closed' = 'superseded',
    message = 'a newer request took its place',
  ): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(new AppError(code, message));
  }

  #drop(actor: Actor): void {
    this.#cast.delete(actor);
    const gone = actor.close().finally(() => this.#gone.delete(gone));
    gone.catch(() => {});
    this.#gone.add(gone);
  }
}
