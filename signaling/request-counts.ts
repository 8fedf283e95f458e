/** Answers by method and status; both come from short closed lists, so the map stays small. */
export class RequestCounts {
  #counts = new Map<string, number>();

  add(method: string, status: number): void {
    const known = METHODS.has(method) ? method : 'OTHER';
    const key = `${known} ${status}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  entries(): { method: string; status: string; count: number }[] {
    return [...this.#counts].map(([key, count]) => {
      const [method = '', status = ''] = key.split(' ');
      return { method, status, count };
    });
  }
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
