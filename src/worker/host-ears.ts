import type { FromWorker, ToWorker } from './protocol.js';

export interface EarEvents {
  /** How likely a voice is (0..1), each 10 ms, in order. */
  onVoice(likely: Float32Array): void;
  /** It hears no more: the worker died, or cannot tell a voice. Once; not after `close`. */
  onDeaf(): void;
}

/** Somebody's sound being listened to in a worker. */
export interface WorkerEar {
  /** 16 kHz mono, -1..1. */
  push(pcm: Float32Array): void;
  close(): void;
}

let nextEarId = 1;

/** In the server: what a worker listens to. */
export class HostEars {
  readonly #send: (message: ToWorker) => void;
  readonly #open = new Map<number, EarEvents>();

  constructor(send: (message: ToWorker) => void) {
    this.#send = send;
  }

  open(events: EarEvents): WorkerEar {
    const earId = nextEarId++;
    this.#open.set(earId, events);
    return {
      push: (pcm) => {
        if (this.#open.has(earId)) this.#send({ type: 'listen', earId, pcm });
      },
      close: () => {
        if (this.#open.delete(earId)) this.#send({ type: 'deafen', earId });
      },
    };
  }

  receive({ earId, likely }: Extract<FromWorker, { type: 'voice' }>): void {
    const events = this.#open.get(earId);
    if (likely !== undefined) events?.onVoice(likely);
    else if (this.#open.delete(earId)) events?.onDeaf();
  }

  /** The worker is gone. */
  lost(): void {
    const events = [...this.#open.values()];
    this.#open.clear();
    for (const { onDeaf } of events) onDeaf();
  }
}
