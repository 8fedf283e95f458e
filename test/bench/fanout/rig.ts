/** One sending process, two processes of viewers, and the way by which offers and answers go between them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { pin, processCpuMs } from './process-cpu.js';
import type { ReceiverMethods, ReceiverReading } from './receiver.js';
import { Remote } from '../../helpers/remote.js';

/** What sends: the product, or the rival. */
export interface SendingSide {
  readonly pid: number;
  join(id: string, offerSdp: string): Promise<string>;
}

export interface Traffic {
  /** Share of one core that the sending process took, all threads; by the kernel's count. */
  readonly cpuPercent: number;
  readonly receivers: readonly ReceiverReading[];
  readonly seconds: number;
}

const RECEIVERS = 2;
/** A bench goes on with a few of them, and tells. */
const MOST_FAILED_JOINS = 20;

export class Rig {
  readonly receivers: readonly Remote<ReceiverMethods>[];
  #sender: SendingSide;
  #viewers = 0;
  #ids = 0;
  failedJoins = 0;

  private constructor(sender: SendingSide) {
    this.#sender = sender;
    this.receivers = Array.from({ length: RECEIVERS }, () =>
      Remote.module<ReceiverMethods>(new URL('receiver.js', import.meta.url)),
    );
  }

  static async create(sender: SendingSide, pinned: boolean): Promise<Rig> {
    const rig = new Rig(sender);
    if (pinned)
      await pin(
        sender.pid,
        rig.receivers.map(({ pid }) => pid),
      );
    return rig;
  }

  get viewers(): number {
    return this.#viewers;
  }

  /** One more viewer in the given process, or in turn; true when its first picture is there, false if it never was. */
  async join(receiver = this.receivers[this.#ids % RECEIVERS]): Promise<boolean> {
    if (receiver === undefined) throw new RangeError('no such receiver');
    this.#viewers += 1;
    this.#ids += 1;
    const id = `viewer-${this.#ids}`;
    const offerSdp = await receiver.call('offer', { id });
    const answerSdp = await this.#sender.join(id, offerSdp);
    if (await receiver.call('play', { id, answerSdp })) return true;
    this.#viewers -= 1;
    this.failedJoins += 1;
    return false;
  }

  /** Joins until so many watch, a few at a time; others come in the place of those that fail. */
  async joinUntil(viewers: number, atATime = 4): Promise<void> {
    const lane = async (): Promise<void> => {
      while (this.#viewers < viewers && this.failedJoins <= MOST_FAILED_JOINS) await this.join();
    };
    await Promise.all(Array.from({ length: atATime }, lane));
    if (this.failedJoins > MOST_FAILED_JOINS) throw new Error(`${this.failedJoins} joins failed`);
  }

  /** What comes through while `work` runs. */
  async during(work: () => Promise<unknown>): Promise<Traffic> {
    for (const receiver of this.receivers) await receiver.call('mark', null);
    const [startMs, cpuMs] = [performance.now(), processCpuMs(this.#sender.pid)];
    await work();
    const wallMs = performance.now() - startMs;
    const cpuPercent = ((processCpuMs(this.#sender.pid) - cpuMs) / wallMs) * 100;
    const receivers = await Promise.all(this.receivers.map((receiver) => receiver.call('read', null)));
    return { cpuPercent, receivers, seconds: wallMs / 1000 };
  }

  watch(seconds: number): Promise<Traffic> {
    return this.during(() => sleep(seconds * 1000));
  }

  async close(): Promise<void> {
    await Promise.all(this.receivers.map((receiver) => receiver.close()));
  }
}

/** Packets a second that one viewer got, and the share of those sent that it did not get. */
export function perViewer({ receivers, seconds }: Traffic): {
  packetsPerSecond: number;
  bitsPerSecond: number;
  lossPercent: number;
} {
  const sum = (of: (reading: ReceiverReading) => number) =>
    receivers.reduce((total, reading) => total + of(reading), 0);
  const [viewers, packets, lost] = [
    sum((each) => each.viewers),
    sum((each) => each.packets),
    sum((each) => each.lost),
  ];
  return {
    packetsPerSecond: viewers === 0 ? 0 : packets / viewers / seconds,
    bitsPerSecond: viewers === 0 ? 0 : (8 * sum((each) => each.bytes)) / viewers / seconds,
    lossPercent: packets === 0 ? 0 : (100 * lost) / (packets + lost),
  };
}
