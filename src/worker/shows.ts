import { AppError, type ErrorCode } from '../errors.js';
import type { FromWorker } from './protocol.js';

/** Who is seen from when on, in the session's picture numbers. */
export interface Shown {
  readonly showId: number;
  /** The first picture that shows something of it, and the first that shows nothing else. */
  readonly fromIndex: number;
  readonly toIndex: number;
}

/** A worker answers within this, or not at all: an avatar is opened, and enters when it has heard what it needs. */
const LIMIT_MS = 15_000;

interface Pending {
  resolve(shown: Shown): void;
  reject(error: AppError): void;
}

/** The server's side of one stream's `show` and `act` messages: matches answers with what was asked. */
export class Shows {
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;

  ask(send: (showId: number) => void): Promise<Shown> {
    const showId = this.#nextId++;
    return new Promise<Shown>((resolve, reject) => {
      const limit = setTimeout(
        () => reject(new AppError('timeout', `it was not seen within ${LIMIT_MS} ms`)),
        LIMIT_MS,
      );
      const settle =
        <T>(callback: (value: T) => void) =>
        (value: T) => {
          clearTimeout(limit);
          this.#pending.delete(showId);
          callback(value);
        };
      this.#pending.set(showId, { resolve: settle(resolve), reject: settle(reject) });
      send(showId);
    });
  }

  receive(message: Extract<FromWorker, { type: 'shown' | 'show-failed' }>): void {
    const pending = this.#pending.get(message.showId);
    if (message.type === 'shown') pending?.resolve(message);
    else pending?.reject(new AppError(message.code as ErrorCode, message.message));
  }

  close(reason: AppError): void {
    for (const { reject } of [...this.#pending.values()]) reject(reason);
  }
}
