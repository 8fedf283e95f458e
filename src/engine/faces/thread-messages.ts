import type { ErrorCode } from '../../errors.js';

/** What the inference thread is started with. */
export interface ThreadStart {
  /** URL of the compiled module whose `createNets` makes the hosted object. */
  readonly module: string;
  /** What `createNets` is called with; plain data. */
  readonly options: unknown;
}

export type ToThread =
  | { readonly type: 'call'; readonly callId: number; readonly method: string; readonly args: unknown[] }
  | { readonly type: 'close' };

export type FromThread =
  | { readonly type: 'ready'; readonly methods: readonly string[] }
  | { readonly type: 'refused'; readonly code: ErrorCode; readonly message: string }
  | { readonly type: 'answer'; readonly callId: number; readonly result: unknown }
  | { readonly type: 'error'; readonly callId: number; readonly code: ErrorCode; readonly message: string };

/**
 * The value with every typed array that shows a part of a larger buffer replaced by a copy of its own: a message
 * carries whole buffers, so a small view of a big buffer would drag all of it along. Plain objects and arrays are
 * walked, anything else is left to the structured clone.
 */
export function compacted(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) {
    if (value.byteLength === value.buffer.byteLength || value instanceof DataView) return value;
    // A Buffer's own slice() would be a view again.
    if (value instanceof Uint8Array) return Uint8Array.prototype.slice.call(value);
    return (value as Float32Array).slice();
  }
  if (Array.isArray(value)) return value.map(compacted);
  if (isPlainObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, compacted(entry)]));
  }
  return value;
}

/** The buffers of all typed arrays in a compacted value, each once: what can be moved instead of copied. */
export function buffersOf(value: unknown, found = new Set<ArrayBuffer>()): Set<ArrayBuffer> {
  if (ArrayBuffer.isView(value)) {
    if (value.buffer instanceof ArrayBuffer) found.add(value.buffer);
  } else if (Array.isArray(value)) {
    for (const entry of value) buffersOf(entry, found);
  } else if (isPlainObject(value)) {
    for (const entry of Object.values(value)) buffersOf(entry, found);
  }
  return found;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
