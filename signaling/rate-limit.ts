export interface RateLimit {
  /** Requests that may come at once. */
  readonly burst: number;
  readonly perSecond: number;
}

export const DEFAULT_RATE_LIMIT: RateLimit = { burst: 120, perSecond: 10 };

const MAX_CLIENTS = 10_000;

/** A token bucket for each client. Clients that were not heard of for longest are forgotten first. */
export class RateLimiter {
  #limit: RateLimit;
  #nowMs: () => number;
  #buckets = new Map<string, { tokens: number; atMs: number }>();

  constructor(limit: RateLimit, nowMs: () => number) {
    this.#limit = limit;
    this.#nowMs = nowMs;
  }

  /** Takes a token; answers how many seconds to wait if there is none, otherwise 0. */
  take(client: string): number {
    const nowMs = this.#nowMs();
    const { burst, perSecond } = this.#limit;
    const old = this.#buckets.get(client) ?? { tokens: burst, atMs: nowMs };
    const tokens = Math.min(burst, old.tokens + ((nowMs - old.atMs) / 1000) * perSecond);
    const allowed = tokens >= 1;
    // Deleted first, so that the map's order is the order of last use.
    this.#buckets.delete(client);
    this.#buckets.set(client, { tokens: allowed ? tokens - 1 : tokens, atMs: nowMs });
    if (this.#buckets.size > MAX_CLIENTS) this.#buckets.delete(this.#buckets.keys().next().value!);
    return allowed ? 0 : Math.max(1, Math.ceil((1 - tokens) / perSecond));
  }
}
