import { AppError } from '../errors.js';
import type { Log } from '../lib/log.js';
import type { EarEvents, WorkerEar } from './host-ears.js';
import { WorkerHost, type WorkerStream, type WorkerStreamOptions } from './host.js';
import type { WorkerSettings } from './protocol.js';

/** The media workers; a new stream goes to the least loaded. */
export class WorkerPool {
  readonly #hosts: readonly WorkerHost[];

  private constructor(hosts: readonly WorkerHost[]) {
    this.#hosts = hosts;
  }

  static async create(count: number, settings: WorkerSettings, log: Log): Promise<WorkerPool> {
    const results = await Promise.allSettled(
      Array.from({ length: count }, () => WorkerHost.create(settings, log)),
    );
    const hosts = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) {
      await Promise.all(hosts.map((host) => host.close()));
      throw failed.reason;
    }
    return new WorkerPool(hosts);
  }

  open(options: WorkerStreamOptions): Promise<WorkerStream> {
    return this.#leastLoaded.open(options);
  }

  listen(events: EarEvents): WorkerEar {
    return this.#leastLoaded.listen(events);
  }

  get #leastLoaded(): WorkerHost {
    const [first, ...rest] = this.#hosts;
    if (first === undefined) throw new AppError('internal', 'the worker pool is empty');
    return rest.reduce((least, host) => (host.load < least.load ? host : least), first);
  }

  get restarts(): number {
    return this.#hosts.reduce((sum, host) => sum + host.restarts, 0);
  }

  /** Process ids, for tests that kill one. */
  get pids(): number[] {
    return this.#hosts.flatMap((host) => (host.pid === undefined ? [] : [host.pid]));
  }

  async close(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.close()));
  }
}
