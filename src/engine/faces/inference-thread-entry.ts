import { parentPort, workerData } from 'node:worker_threads';
import { AppError, toAppError } from '../../errors.js';
import { buffersOf, compacted, type FromThread, type ThreadStart, type ToThread } from './thread-messages.js';

/** Entry point of the inference thread: makes the hosted object and answers one call after the other. */

type Hosted = Record<string, unknown>;

if (parentPort === null) throw new AppError('internal', 'the inference thread was started as a process');
const port = parentPort;
const { module, options } = workerData as ThreadStart;

function send(message: FromThread, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

/** Names of everything that can be called, inherited or own. */
function methodsOf(hosted: Hosted): string[] {
  const names = new Set<string>();
  for (let level: object | null = hosted; level !== null && level !== Object.prototype;) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(level)))
      if (typeof value === 'function' && name !== 'constructor' && name !== 'close') names.add(name);
    level = Object.getPrototypeOf(level) as object | null;
  }
  return [...names];
}

async function answer(hosted: Hosted, { callId, method, args }: Extract<ToThread, { type: 'call' }>) {
  try {
    const run = hosted[method] as (...args: unknown[]) => unknown;
    const result = compacted(await run.apply(hosted, args));
    send({ type: 'answer', callId, result }, [...buffersOf(result)]);
  } catch (error) {
    const { code, message } = toAppError(error);
    send({ type: 'error', callId, code, message });
  }
}

async function shutdown(hosted: Hosted): Promise<void> {
  await (hosted['close'] as (() => Promise<void>) | undefined)?.call(hosted);
  port.close();
}

async function host(): Promise<void> {
  let hosted: Hosted;
  try {
    const { createNets } = (await import(module)) as { createNets(options: unknown): Promise<Hosted> };
    hosted = await createNets(options);
  } catch (error) {
    const { code, message } = toAppError(error);
    send({ type: 'refused', code, message });
    port.close();
    return;
  }
  // Calls come one at a time, and the last of them is answered before the thread is told to close.
  port.on('message', (message: ToThread) => {
    void (message.type === 'call' ? answer(hosted, message) : shutdown(hosted));
  });
  send({ type: 'ready', methods: methodsOf(hosted) });
}

await host();
