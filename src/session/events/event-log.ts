import type { NumberedEvent, SessionEvent } from './session-events.js';

/** Events that are kept for clients that were away. */
export const KEPT_EVENTS = 512;

/** Numbers a session's events, keeps the newest, and tells them to who listens. */
export class EventLog {
  readonly #kept: NumberedEvent[] = [];
  readonly #listeners = new Set<(event: NumberedEvent) => void>();
  #lastId = 0;

  add(event: SessionEvent): void {
    const numbered = { ...event, id: (this.#lastId += 1) };
    this.#kept.push(numbered);
    if (this.#kept.length > KEPT_EVENTS) this.#kept.shift();
    for (const listener of [...this.#listeners]) listener(numbered);
  }

  /**
   * First what is kept of the events after number `afterId`, then every event to come; without a number only those. An
   * unknown number (of another session, or from the future) gives all that is kept. Returns what unsubscribes.
   */
  follow(listener: (event: NumberedEvent) => void, afterId?: number): () => void {
    if (afterId !== undefined) {
      const from = afterId > this.#lastId ? 0 : afterId;
      for (const event of this.#kept) if (event.id > from) listener(event);
    }
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
