import { AppError } from '../errors.js';
import type { Clock } from '../lib/clock.js';
import {
  LiveListener,
  type ListenerEar,
  type ListenerEarEvents,
  type LiveListenerOptions,
} from './speech/live-listener.js';
import { LiveSpeaker, type LiveReport, type LiveSpeakerOptions } from './speech/live-speaker.js';
import type { Session } from './session.js';

export type SpeakerSettings = Pick<LiveSpeakerOptions, 'rate' | 'mode' | 'endAfterMs'>;
export type ListenerSettings = Pick<
  LiveListenerOptions,
  'rate' | 'bargeIn' | 'thresholdDbfs' | 'minVoiceMs'
> & {
  /** `voice`: what sounds like one; `energy`: anything that is loud enough. */
  readonly detector: 'voice' | 'energy';
};

interface Live {
  speaker?: LiveSpeaker;
  listener?: LiveListener;
}

/** Who sends live sound to which session: at most one whose sound is spoken, and one who is listened to. */
export class LiveSenders {
  readonly #clock: Clock;
  readonly #openEar: (events: ListenerEarEvents) => ListenerEar;
  readonly #live = new Map<Session, Live>();

  constructor(clock: Clock, openEar: (events: ListenerEarEvents) => ListenerEar) {
    this.#clock = clock;
    this.#openEar = openEar;
  }

  /** @throws sender-exists */
  openSpeaker(session: Session, settings: SpeakerSettings): LiveSpeaker {
    const live = this.#of(session);
    if (live.speaker !== undefined) throw taken(session, 'whose sound is spoken');
    return (live.speaker = new LiveSpeaker({
      ...settings,
      clock: this.#clock,
      say: (utterance, { mode, ...options }) => void session.say(utterance, { mode, live: options }),
    }));
  }

  /** Without a session where that is gone. */
  closeSpeaker(session: Session | undefined, speaker: LiveSpeaker): void {
    speaker.close();
    const live = session && this.#live.get(session);
    if (session === undefined || live?.speaker !== speaker) return;
    delete live.speaker;
    this.#sweep(session, live);
  }

  /** @throws sender-exists */
  openListener(session: Session, { detector, ...settings }: ListenerSettings): LiveListener {
    const live = this.#of(session);
    if (live.listener !== undefined) throw taken(session, 'who is listened to');
    return (live.listener = new LiveListener({
      ...settings,
      ...(detector === 'voice' ? { openEar: this.#openEar } : {}),
      onVoice: (speaking) => session.setListening(speaking),
      onBargeIn: () => void session.interrupt('all', 'voice'),
      isAvatarSpeaking: () => session.state === 'speaking',
    }));
  }

  closeListener(session: Session | undefined, listener: LiveListener): void {
    listener.close();
    const live = session && this.#live.get(session);
    if (session === undefined || live?.listener !== listener) return;
    delete live.listener;
    this.#sweep(session, live);
  }

  /** Whichever it is. */
  release(session: Session, sender: LiveSpeaker | LiveListener): void {
    if (sender instanceof LiveSpeaker) this.closeSpeaker(session, sender);
    else this.closeListener(session, sender);
  }

  /** The session is gone. */
  forget(session: Session): void {
    const live = this.#live.get(session);
    live?.speaker?.close();
    live?.listener?.close();
    this.#live.delete(session);
  }

  report(session: Session): LiveReport | undefined {
    return this.#live.get(session)?.speaker?.report;
  }

  #of(session: Session): Live {
    let live = this.#live.get(session);
    if (live === undefined) this.#live.set(session, (live = {}));
    return live;
  }

  #sweep(session: Session, live: Live): void {
    if (live.speaker === undefined && live.listener === undefined) this.#live.delete(session);
  }
}

function taken(session: Session, what: string): AppError {
  return new AppError('sender-exists', `session ${session.id} has a sender ${what} already`);
}
