const LIMIT = 4096;

/** The ETag of each viewer that was answered. Viewers may leave without a word, so the oldest tags are dropped. */
export class PeerTags {
  #tags = new Map<string, string>();

  set(sessionId: string, peerId: string, tag: string): void {
    this.#tags.set(key(sessionId, peerId), tag);
    if (this.#tags.size > LIMIT) this.#tags.delete(this.#tags.keys().next().value!);
  }

  get(sessionId: string, peerId: string): string | undefined {
    return this.#tags.get(key(sessionId, peerId));
  }

  delete(sessionId: string, peerId: string): void {
    this.#tags.delete(key(sessionId, peerId));
  }
}

function key(sessionId: string, peerId: string): string {
  return JSON.stringify([sessionId, peerId]);
}
