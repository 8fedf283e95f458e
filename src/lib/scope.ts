/**
 * Undo steps of something that is being built or closed. Steps run in reverse order; every step runs even if an
 * earlier one failed, and the first failure is rethrown at the end. `close` is memoised.
 */
export class Scope {
  #steps: (() => unknown)[] = [];
  #closing: Promise<void> | undefined;

  defer(step: () => unknown): void {
    this.#steps.push(step);
  }

  close(): Promise<void> {
    this.#closing ??= this.#run();
    return this.#closing;
  }

  async #run(): Promise<void> {
    let failed = false;
    let first: unknown;
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        if (!failed) first = error;
        failed = true;
      }
    }
    if (failed) throw first;
  }
}
