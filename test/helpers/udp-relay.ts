import { Worker } from 'node:worker_threads';
import { CLEAR_LINK, type LinkCounters, type LinkPolicy } from './relay-link.js';

/** One side can be changed without the other. */
export interface RelayPolicy {
  readonly toServer?: Partial<LinkPolicy>;
  readonly toClient?: Partial<LinkPolicy>;
}

export interface RelayCounters {
  readonly toServer: LinkCounters;
  readonly toClient: LinkCounters;
}

export type RelayRequest =
  | { type: 'upstream'; host: string; port: number }
  | { type: 'policy'; toServer: LinkPolicy; toClient: LinkPolicy }
  | { type: 'counters' };

export interface RelayAnswer {
  readonly port: number;
  readonly counters?: RelayCounters;
}

export interface RelayOptions {
  /** The same seed loses the same packets of the same traffic. */
  readonly seed?: number;
  readonly policy?: RelayPolicy;
}

/**
 * A bad line on loopback: a UDP port that hands datagrams on to a server and back, with losses, delay and a limited
 * rate. It runs in a thread of its own, so that a busy test does not make its line any worse. The lines are shared
 * by all clients of a relay.
 */
export class UdpRelay {
  readonly port: number;
  readonly #thread: Worker;
  #policy = { toServer: CLEAR_LINK, toClient: CLEAR_LINK };
  /** Requests that the thread has not answered yet; it answers in order. */
  readonly #asked: ((answer: RelayAnswer) => void)[];

  private constructor(thread: Worker, port: number, asked: ((answer: RelayAnswer) => void)[]) {
    this.#thread = thread;
    this.port = port;
    this.#asked = asked;
  }

  static async start(options: RelayOptions = {}): Promise<UdpRelay> {
    const thread = new Worker(new URL('./udp-relay-thread.js', import.meta.url), {
      workerData: { seed: options.seed ?? 1 },
    });
    const asked: ((answer: RelayAnswer) => void)[] = [];
    thread.on('message', (answer: RelayAnswer) => asked.shift()?.(answer));
    const { port } = await new Promise<RelayAnswer>((resolve, reject) => {
      asked.push(resolve);
      thread.once('error', reject);
    });
    const relay = new UdpRelay(thread, port, asked);
    if (options.policy !== undefined) await relay.setPolicy(options.policy);
    return relay;
  }

  /** Where the datagrams of clients go; before it is set they are thrown away. */
  async setUpstream(upstream: { host: string; port: number }): Promise<void> {
    await this.#ask({ type: 'upstream', host: upstream.host, port: upstream.port });
  }

  /** What is not named stays as it is. Resolves when the line has changed. */
  async setPolicy(policy: RelayPolicy): Promise<void> {
    this.#policy = {
      toServer: { ...this.#policy.toServer, ...policy.toServer },
      toClient: { ...this.#policy.toClient, ...policy.toClient },
    };
    await this.#ask({ type: 'policy', ...this.#policy });
  }

  async counters(): Promise<RelayCounters> {
    const { counters } = await this.#ask({ type: 'counters' });
    if (counters === undefined) throw new Error('the relay answered without counters');
    return counters;
  }

  async close(): Promise<void> {
    await this.#thread.terminate();
  }

  #ask(request: RelayRequest): Promise<RelayAnswer> {
    return new Promise((resolve) => {
      this.#asked.push(resolve);
      this.#thread.postMessage(request);
    });
  }
}
