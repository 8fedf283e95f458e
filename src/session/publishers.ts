import { toAppError } from '../errors.js';
import type { Clock } from '../lib/clock.js';
import type { Log } from '../lib/log.js';
import type { TransportHost } from '../transport/peer-transport.js';
import type { LiveSenders } from './live-senders.js';
import { Publisher } from './speech/publisher.js';
import type { Session } from './session.js';

/** Opus decodes to this. */
const RATE = 48_000;
/** Silence that ends what a microphone says. */
const END_AFTER_MS = 800;

export interface PublishersOptions {
  readonly transport: TransportHost;
  readonly senders: LiveSenders;
  readonly clock: Clock;
  readonly log: Log;
}

/** The microphones that sessions hear over WebRTC (WHIP). */
export class Publishers {
  readonly #options: PublishersOptions;
  readonly #publishers = new Map<string, { readonly session: Session; readonly publisher: Publisher }>();

  constructor(options: PublishersOptions) {
    this.#options = options;
  }

  /**
   * @param role `speak`: the avatar says it; `listen`: it is the avatar's partner, and interrupts it
   * @throws sdp-invalid, sdp-unsupported, sender-exists
   */
  add(session: Session, offerSdp: string, role: 'speak' | 'listen'): Publisher {
    const { transport, senders, clock, log } = this.#options;
    const sink =
      role === 'speak'
        ? senders.openSpeaker(session, { rate: RATE, endAfterMs: END_AFTER_MS })
        : senders.openListener(session, { rate: RATE, detector: 'voice' });
    const release = (): void => senders.release(session, sink);
    try {
      const publisher: Publisher = new Publisher({
        ...{ offerSdp, transport, clock, log },
        onSound: (pcm) => {
          try {
            sink.push(pcm);
          } catch (error) {
            // The session takes no more of it for now, or is ending: a microphone cannot be told to wait.
            log.debug({ session: session.id, err: toAppError(error) }, 'sound of a microphone was refused');
          }
        },
        onClosed: (reason) => {
          this.#publishers.delete(publisher.id);
          release();
          log.debug({ session: session.id, publisher: publisher.id, reason }, 'microphone gone');
        },
      });
      this.#publishers.set(publisher.id, { session, publisher });
      void session.ended.then(() => publisher.close('the session ended'));
      return publisher;
    } catch (error) {
      release();
      throw error;
    }
  }

  find(sessionId: string, id: string): Publisher | undefined {
    const found = this.#publishers.get(id);
    return found?.session.id === sessionId ? found.publisher : undefined;
  }
}
