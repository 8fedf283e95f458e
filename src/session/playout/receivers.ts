import type { Log } from '../../lib/log.js';
import type { EncodedPicture, RenditionName } from '../../media/frame.js';
import type { WorkerStream } from '../../worker/host.js';
import type { Audience, AudienceEvents } from '../viewers/audience.js';
import type { SoundPacket } from '../viewers/fan-out.js';
import { JpegWatchers } from '../viewers/jpeg-watchers.js';
import { OutputTaps, type OutputTap } from './output-tap.js';
import type { PictureStream } from './picture-stream.js';
import { Recoding } from './recoding.js';
import { SessionRenditions, type PictureSettings } from './session-renditions.js';
import type { SessionSound } from './session-sound.js';

export interface ReceiversOptions {
  openAudience(events: AudienceEvents): Audience;
  /** Of the pictures; the size is known when the stream is opened. */
  readonly coding: { readonly fps: number; readonly bitrateBps: number; readonly h264: boolean };
  readonly sound: Pick<SessionSound, 'serve' | 'expectLoss'>;
  pictures(): Pick<PictureStream, 'current' | 'setRenditions'>;
  /** Viewers came or went. */
  onViewers(): void;
  nowMs(): number;
  log: Log;
}

/** Who gets what leaves a session: WebRTC viewers, JPEG watchers, taps; and what has to be coded for them. */
export class Receivers {
  readonly audience: Audience;
  readonly #options: ReceiversOptions;
  readonly #watchers: JpegWatchers;
  readonly #taps: OutputTaps;
  readonly #recoding: Recoding;
  #renditions: SessionRenditions | undefined;
  #playoutDelayMs: readonly [number, number] = [0, 0];

  constructor(options: ReceiversOptions) {
    this.#options = options;
    const { pictures, onViewers } = options;
    this.audience = options.openAudience({
      onWish: () => this.serve(),
      onKeyframeWanted: (rendition) => pictures().current?.requestKeyframe(rendition),
      onJoined: onViewers,
      onGone: onViewers,
    });
    this.#watchers = new JpegWatchers((count) => {
      pictures().current?.setJpeg(count > 0);
      onViewers();
    });
    this.#taps = new OutputTaps(options.log);
    this.#recoding = new Recoding(options.nowMs);
  }

  /** Those who watch. */
  get viewers(): number {
    return this.audience.size + this.#watchers.count;
  }

  /** Somebody hears it, be it a recording. */
  get areThere(): boolean {
    return this.viewers + this.#taps.size > 0;
  }

  get settings(): Partial<PictureSettings> & { playoutDelayMs: readonly [number, number] } {
    return { ...this.#renditions?.settings, playoutDelayMs: this.#playoutDelayMs };
  }

  /** Viewers who join later get the play-out delay. */
  configure(settings: Partial<PictureSettings> & { playoutDelayMs?: readonly [number, number] }): void {
    const { playoutDelayMs, ...picture } = settings;
    this.#playoutDelayMs = playoutDelayMs ?? this.#playoutDelayMs;
    if (this.#renditions === undefined) return;
    this.#renditions.configure(picture);
    this.#configureAudience(this.#renditions);
    this.serve();
  }

  sound(sound: SoundPacket, mediaSamples: number): void {
    this.audience.sendSound(sound, mediaSamples);
    this.#taps.sound(sound, mediaSamples);
  }

  picture(renditions: readonly EncodedPicture[]): void {
    this.audience.sendPicture(renditions, this.#options.coding.fps);
    this.#taps.picture(renditions);
  }

  jpeg(data: Uint8Array): void {
    this.#watchers.push(data);
  }

  /** Codes what is needed now. To be called now and then, since links change. */
  serve(): void {
    const { demand } = this.audience;
    if (this.#renditions !== undefined) {
      const tapped = this.#taps.demand(this.#renditions.top);
      this.#renditions.serve(new Set([...demand.renditions, ...tapped]), this.#options.nowMs());
    }
    this.#options.sound.serve(demand);
    this.#options.sound.expectLoss(demand.worstLossShare);
  }

  /** A worker's stream is there, the first one or another in its place. */
  streamOpened(stream: WorkerStream): void {
    const { widthPx, heightPx } = stream;
    if (this.#renditions === undefined) {
      this.#renditions = new SessionRenditions({ widthPx, heightPx, ...this.#options.coding }, (wanted) => {
        this.#recoding.asked();
        this.#options.pictures().setRenditions(wanted);
      });
      this.#configureAudience(this.#renditions);
    }
    if (this.#watchers.count > 0) stream.setJpeg(true);
    for (const rendition of this.audience.demand.renditions) this.audience.requestKeyframe(rendition);
  }

  /** The worker tells that another encoder has taken over. */
  codedAnew(): void {
    this.#recoding.done();
  }

  /** ms until renditions that were just asked for are coded; undefined where none is waited for. */
  whenCodedAnew(): Promise<number | undefined> {
    return this.#recoding.measure();
  }

  /**
   * One more receiver, until it is taken off or the session ends. It begins to get pictures with a key picture.
   */
  tap(tap: OutputTap): { requestKeyframe(rendition: RenditionName): void; remove(): void } {
    this.#taps.add(tap);
    this.serve();
    const requestKeyframe = (rendition: RenditionName) => this.audience.requestKeyframe(rendition);
    if (this.#renditions !== undefined) requestKeyframe(this.#renditions.top);
    return { requestKeyframe, remove: () => this.#taps.remove(tap) };
  }

  /** JPEG pictures from now on; encoded only while somebody asks for them. */
  watchJpeg(signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#watchers.watch(signal);
  }

  /** Nobody gets anything any more. Resolves when taps have ended. */
  close(): Promise<void> {
    this.#watchers.close();
    this.audience.close();
    return this.#taps.close();
  }

  #configureAudience({ ladder, top }: SessionRenditions): void {
    this.audience.configure({ ladder, top, playoutDelayMs: this.#playoutDelayMs });
  }
}
