/**
 * A body that asks its source for the next piece only when the client has taken the last one: nothing is queued here, so
 * a slow client costs no memory. The generator is finished when the client goes away.
 */
export function pulledBody(
  pieces: AsyncIterable<Uint8Array>,
  onGone: () => void,
): ReadableStream<Uint8Array> {
  const iterator = pieces[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const next = await iterator.next();
          if (next.done) controller.close();
          else controller.enqueue(next.value);
        } catch (error) {
          controller.error(error);
        }
      },
      cancel() {
        onGone();
        // Not awaited: a generator that waits for its next picture only returns once the abort has woken it.
        void iterator.return?.().catch(() => {});
      },
    },
    { highWaterMark: 0 },
  );
}

/** Aborts with `outer`, or by `abort()`, which also lets go of `outer`. */
export function childAbort(outer: AbortSignal): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  const onOuter = (): void => controller.abort();
  if (outer.aborted) controller.abort();
  else outer.addEventListener('abort', onOuter, { once: true });
  const abort = (): void => {
    outer.removeEventListener('abort', onOuter);
    controller.abort();
  };
  return { signal: controller.signal, abort };
}
