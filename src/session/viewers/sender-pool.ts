import type { Clock } from '../../lib/clock.js';
import type { Log } from '../../lib/log.js';
import { createIdentity } from '../../transport/dtls-endpoint.js';
import { HandshakePacer } from '../../transport/handshake-pacer.js';
import type { Audience, AudienceEvents } from './audience.js';
import type { DiagnosedTransport } from './diagnosis.js';
import type { SenderTransportSettings } from './sender-messages.js';
import { SenderThread } from './sender-thread.js';
import { SpreadAudience } from './spread-audience.js';

export interface SenderPoolOptions {
  /** Sender threads, 1 at least. */
  readonly count: number;
  readonly transport: SenderTransportSettings;
  readonly logLevel: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** The sender threads of the server: each has sockets of its own, and all the same certificate. */
export class SenderPool {
  readonly #clock: Clock;
  readonly threads: readonly SenderThread[];
  /** What viewers are offered, for the server's test of itself. */
  readonly transport: DiagnosedTransport;

  private constructor(threads: readonly SenderThread[], clock: Clock, transport: DiagnosedTransport) {
    this.threads = threads;
    this.#clock = clock;
    this.transport = transport;
  }

  /** @throws internal when a thread finds no port; worker-died */
  static async create(options: SenderPoolOptions): Promise<SenderPool> {
    const { count, transport, logLevel, clock, log } = options;
    const identity = await createIdentity();
    const threads: SenderThread[] = [];
    try {
      // One by one: at the same time they would try for the same ports.
      for (let number = 1; number <= count; number++)
        threads.push(
          await SenderThread.create({ number, start: { transport, identity, logLevel }, clock, log }),
        );
    } catch (error) {
      await Promise.all(threads.map((thread) => thread.close()));
      throw error;
    }
    return new SenderPool(threads, clock, {
      identity,
      pacer: new HandshakePacer(),
      lite: transport.lite,
      ice: {
        get candidates() {
          return threads.flatMap(({ candidates }) => candidates);
        },
        get port() {
          return threads[0]?.port ?? 0;
        },
      },
    });
  }

  openAudience(sessionId: string, events: AudienceEvents): Audience {
    return new SpreadAudience({
      ...{ sessionId, events, clock: this.#clock },
      openParts: (partEvents) => this.threads.map((thread) => thread.openAudience(sessionId, partEvents)),
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.close()));
  }
}
