import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import type { Ffmpeg } from '../adapters/ffmpeg.js';
import { decodeAudio } from '../audio/decode.js';
import { AppError, isAppError } from '../errors.js';
import type { Clock } from '../lib/clock.js';
import type { Log } from '../lib/log.js';
import type { LiveRate } from '../media/upsample.js';
import type { TransportHost } from '../transport/peer-transport.js';
import type { ListenerEar, ListenerEarEvents, LiveListener } from './speech/live-listener.js';
import { LiveSenders, type ListenerSettings, type SpeakerSettings } from './live-senders.js';
import type { LiveReport, LiveSpeaker } from './speech/live-speaker.js';
import type { Publisher } from './speech/publisher.js';
import { Publishers } from './publishers.js';
import type { Session } from './session.js';
import type { Interrupted } from './session-types.js';
import type { Stopped } from './playout/stop-measure.js';
import type { SpeechMode, UtteranceView } from './speech/utterance-book.js';
import { UtteranceInlets, type InletReport } from './speech/utterance-inlets.js';
import { Utterance } from './speech/utterance.js';

export interface TalksOptions {
  /** @throws session-not-found */
  find(sessionId: string): Session;
  /** Its speech is rendered before it plays, from whole files. */
  rendersAhead(sessionId: string): boolean;
  ffmpeg: Ffmpeg;
  /** Tells a voice from other sound. */
  openEar(events: ListenerEarEvents): ListenerEar;
  /** By which sound comes in over WHIP. */
  transport: TransportHost;
  clock: Clock;
  log: Log;
}

/** An interrupt that is over. */
export type InterruptedView = Omit<Interrupted, 'stopped'> & Stopped;

/** What is said in all sessions, and to them: speech in files and pieces, live sound, microphones, interrupts. */
export class Talks {
  readonly #options: TalksOptions;
  readonly #inlets: UtteranceInlets;
  readonly #senders: LiveSenders;
  readonly #publishers: Publishers;
  /** The utterance of each session that was taken in last: whose sound is there sooner than its does not overtake it. */
  readonly #saying = new WeakMap<Session, Promise<unknown>>();

  constructor(options: TalksOptions) {
    this.#options = options;
    const { transport, clock, log } = options;
    this.#inlets = new UtteranceInlets(clock);
    this.#senders = new LiveSenders(clock, (events) => options.openEar(events));
    this.#publishers = new Publishers({ transport, senders: this.#senders, clock, log });
  }

  /** A file's sound, being decoded. */
  utteranceOf(audioPath: string): Utterance {
    return new Utterance(randomUUID(), (signal) => decodeAudio(this.#options.ffmpeg, audioPath, { signal }));
  }

  /** How the sound of a session's live sender arrives, while there is one. */
  liveReport(session: Session): LiveReport | undefined {
    return this.#senders.report(session);
  }

  /** The session is gone. */
  forget(session: Session): void {
    this.#senders.forget(session);
  }

  async say(
    id: string,
    options: { audioPath: string; audioIsUpload?: boolean; mode?: SpeechMode },
  ): Promise<UtteranceView> {
    const { audioPath, mode = 'append' } = options;
    const discard = () => (options.audioIsUpload ? rm(audioPath, { force: true }) : Promise.resolve());
    try {
      const session = this.#options.find(id);
      const utterance = this.utteranceOf(audioPath);
      const before = this.#saying.get(session);
      // Without what they resolve to, which would hold on to all that came before.
      const ready = Promise.allSettled([utterance.firstSound, before]).then(() => {});
      this.#saying.set(session, ready);
      try {
        await ready;
        await utterance.firstSound;
        void session.say(utterance, { audioPath, mode }).then(discard, discard);
      } catch (error) {
        await utterance.close();
        throw error;
      }
      return session.utterance(utterance.id);
    } catch (error) {
      await discard();
      throw error;
    }
  }

  /** Speech whose sound follows in pieces. @throws session-not-found, no-capacity, not-supported */
  openUtterance(id: string, options: { sampleRate: LiveRate; mode?: SpeechMode }): UtteranceView {
    const session = this.#options.find(id);
    this.#assertLive(id);
    const utteranceId = randomUUID();
    const inlet = this.#inlets.open(utteranceId, options.sampleRate);
    const utterance = new Utterance(utteranceId, (signal) => inlet.sound(signal));
    try {
      const over = session.say(utterance, { mode: options.mode ?? 'append' });
      void over.finally(() => this.#inlets.close(utteranceId));
    } catch (error) {
      this.#inlets.close(utteranceId);
      void utterance.close();
      throw error;
    }
    return session.utterance(utteranceId);
  }

  /** @throws session-not-found, utterance-not-found, utterance-closed, invalid-argument, no-capacity */
  pushSound(
    id: string,
    utteranceId: string,
    bytes: Uint8Array,
    options: { seq?: number; last?: boolean },
  ): InletReport {
    this.#options.find(id).utterance(utteranceId);
    return this.#inlets.push(utteranceId, bytes, options);
  }

  /** @throws session-not-found, sdp-invalid, sdp-unsupported, sender-exists, not-supported */
  addPublisher(
    sessionId: string,
    offerSdp: string,
    role: 'speak' | 'listen',
  ): { peerId: string; answerSdp: string; etag: string } {
    const session = this.#options.find(sessionId);
    if (role === 'speak') this.#assertLive(sessionId);
    const { id, answerSdp, etag } = this.#publishers.add(session, offerSdp, role);
    return { peerId: id, answerSdp, etag };
  }

  /** ETag of the publisher's ICE session; undefined if there is no such publisher. */
  publisherTag(sessionId: string, publisherId: string): string | undefined {
    return this.#publishers.find(sessionId, publisherId)?.etag;
  }

  tricklePublisher(sessionId: string, publisherId: string, fragment: string): void {
    this.#publisher(sessionId, publisherId).addCandidates(fragment);
  }

  restartPublisher(
    sessionId: string,
    publisherId: string,
    fragment: string,
  ): { fragment: string; etag: string } {
    const publisher = this.#publisher(sessionId, publisherId);
    return { fragment: publisher.restartIce(fragment), etag: publisher.etag };
  }

  removePublisher(sessionId: string, publisherId: string): void {
    this.#publisher(sessionId, publisherId).close('stopped by request');
  }

  #publisher(sessionId: string, publisherId: string): Publisher {
    const publisher = this.#publishers.find(sessionId, publisherId);
    if (publisher === undefined)
      throw new AppError('peer-not-found', `session ${sessionId} has no microphone ${publisherId}`);
    return publisher;
  }

  openSpeaker(id: string, settings: SpeakerSettings): LiveSpeaker {
    const session = this.#options.find(id);
    this.#assertLive(id);
    return this.#senders.openSpeaker(session, settings);
  }

  closeSpeaker(id: string, speaker: LiveSpeaker): void {
    this.#senders.closeSpeaker(this.#sessionOf(id), speaker);
  }

  openListener(id: string, settings: ListenerSettings): LiveListener {
    return this.#senders.openListener(this.#options.find(id), settings);
  }

  closeListener(id: string, listener: LiveListener): void {
    this.#senders.closeListener(this.#sessionOf(id), listener);
  }

  setListening(id: string, listening: boolean): void {
    this.#options.find(id).setListening(listening);
  }

  #assertLive(id: string): void {
    if (this.#options.rendersAhead(id))
      throw new AppError(
        'not-supported',
        `session ${id} renders speech before it plays it, and takes whole sound files only`,
      );
  }

  /** @throws session-not-found */
  utterances(id: string): UtteranceView[] {
    return this.#options.find(id).utterances;
  }

  /** @throws session-not-found, utterance-not-found */
  utterance(id: string, utteranceId: string): UtteranceView {
    return this.#options.find(id).utterance(utteranceId);
  }

  /** Takes it out if it waits, cuts it off if it plays, and does nothing if it is over. */
  async dropUtterance(id: string, utteranceId: string): Promise<void> {
    const session = this.#options.find(id);
    session.utterance(utteranceId);
    await session.interrupt({ id: utteranceId }, 'deleted').stopped;
  }

  async interrupt(id: string): Promise<InterruptedView> {
    const { stopped, ...interrupted } = this.#options.find(id).interrupt();
    return { ...interrupted, ...(await stopped) };
  }

  /** @throws session-not-found, utterance-closed if nothing was interrupted, or too long ago */
  resume(id: string): { resumed: string[] } {
    const resumed = this.#options.find(id).resume();
    if (resumed.length === 0)
      throw new AppError('utterance-closed', `session ${id} has no interrupted speech to go on with`);
    return { resumed };
  }

  /** Undefined once it is gone. */
  #sessionOf(id: string): Session | undefined {
    try {
      return this.#options.find(id);
    } catch (error) {
      if (isAppError(error, 'session-not-found')) return undefined;
      throw error;
    }
  }
}
