import { AppError, type ErrorCode } from '../errors.js';
import type { FromWorker, ToWorker } from './protocol.js';

type Message = Extract<FromWorker, { type: 'rehearsing' | 'rehearsed' }>;
/** A message to the worker without the stream that it is about. */
type Outgoing = Extract<ToWorker, { type: 'rehearse' | 'drop-rehearsal' }>;

interface Entry {
  onProgress(fraction: number): void;
  resolve(rehearsalId: number): void;
  reject(error: unknown): void;
}

let nextId = 1;

/** The rehearsals that one stream of a worker was asked for, seen from the server. */
export class Rehearsals {
  readonly #entries = new Map<number, Entry>();
  readonly #send: (message: DistributiveOmit<Outgoing, 'streamId'>) => void;

  constructor(send: (message: DistributiveOmit<Outgoing, 'streamId'>) => void) {
    this.#send = send;
  }

  async start(
    audioPath: string,
    options: { onProgress(fraction: number): void; signal: AbortSignal },
  ): Promise<number> {
    const { signal, onProgress } = options;
    signal.throwIfAborted();
    const rehearsalId = nextId++;
    const drop = () => {
      this.#send({ type: 'drop-rehearsal', rehearsalId });
      this.#entries.get(rehearsalId)?.reject(signal.reason);
    };
    signal.addEventListener('abort', drop, { once: true });
    try {
      return await new Promise<number>((resolve, reject) => {
        this.#entries.set(rehearsalId, { onProgress, resolve, reject });
        this.#send({ type: 'rehearse', rehearsalId, audioPath });
      });
    } finally {
      this.#entries.delete(rehearsalId);
      signal.removeEventListener('abort', drop);
    }
  }

  receive(message: Message): void {
    const entry = this.#entries.get(message.rehearsalId);
    if (message.type === 'rehearsing') entry?.onProgress(message.fraction);
    else if (message.code === undefined) entry?.resolve(message.rehearsalId);
    else entry?.reject(new AppError(message.code as ErrorCode, message.message ?? 'the rehearsal failed'));
  }

  close(reason: AppError): void {
    for (const entry of this.#entries.values()) entry.reject(reason);
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
