import { Worker } from 'node:worker_threads';
import { AppError } from '../../errors.js';
import { buffersOf, compacted, type FromThread, type ThreadStart, type ToThread } from './thread-messages.js';

/** The hosted object as it is seen from outside: its methods, all of them asynchronous, without `close`. */
export type Remote<Nets> = {
  readonly [
    K in keyof Nets as K extends 'close' ? never : Nets[K] extends (...args: never[]) => unknown ? K : never
  ]: Nets[K] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never;
};

export interface InferenceThreadOptions<Nets> {
  /** URL (href) of the compiled module that exports `createNets(options): Promise<Nets>`. */
  readonly module: string;
  /** Given to createNets: plain data. */
  readonly options: unknown;
  /** Methods whose waiting calls go before all others, such as hearing before drawing. */
  readonly urgent?: readonly (keyof Remote<Nets>)[];
  /** The thread ended by itself; every call was rejected. Not called after close(). */
  onDeath?(error: AppError): void;
}

interface Call {
  readonly method: string;
  readonly args: unknown[];
  readonly urgent: boolean;
  resolve(result: unknown): void;
  reject(error: AppError): void;
}

/**
 * One thread that owns the networks, because ONNX Runtime's Node binding computes on the thread that calls it. `nets`
 * answers to the methods of the object that lives there. One call runs at a time; the others wait here, where an
 * urgent one can overtake.
 *
 * Arguments are copied when their call starts: the caller keeps them and leaves them unchanged until the answer.
 * Results are moved: they belong to the caller, and the hosted object must not keep them.
 *
 * The thread is never terminated from outside: ONNX Runtime 1.30 aborts the whole process when its thread is torn
 * down within a run (terminate() and process.exit() alike). So close() waits for the call that runs, and a process
 * awaits close() before it exits.
 */
export class InferenceThread<Nets extends object> {
  readonly nets: Remote<Nets>;
  readonly #worker: Worker;
  readonly #gone: Promise<void>;
  readonly #waiting: Call[] = [];
  #running: Call | undefined;
  #callId = 0;
  /** What the thread threw outside a call. */
  #failure: string | undefined;
  #dead: AppError | undefined;
  #closing: Promise<void> | undefined;

  private constructor(worker: Worker, methods: readonly string[], options: InferenceThreadOptions<Nets>) {
    this.#worker = worker;
    const urgent = new Set<PropertyKey>(options.urgent);
    this.nets = Object.fromEntries(
      methods.map((method) => [method, (...args: unknown[]) => this.#call(method, args, urgent.has(method))]),
    ) as Remote<Nets>;
    worker.on('message', (message: FromThread) => this.#receive(message));
    worker.once('error', (error) => (this.#failure = error instanceof Error ? error.message : String(error)));
    this.#gone = new Promise((resolve) => {
      worker.once('exit', (exitCode) => {
        this.#dead = new AppError(
          'worker-died',
          `the inference thread ended: ${this.#failure ?? `exit code ${exitCode}`}`,
        );
        this.#rejectAll(this.#dead);
        if (this.#closing === undefined) options.onDeath?.(this.#dead);
        resolve();
      });
    });
  }

  /** Resolves when the networks are loaded. @throws AppError what createNets threw; worker-died */
  static async create<Nets extends object>(
    options: InferenceThreadOptions<Nets>,
  ): Promise<InferenceThread<Nets>> {
    const start: ThreadStart = { module: options.module, options: options.options };
    const worker = new Worker(new URL('./inference-thread-entry.js', import.meta.url), { workerData: start });
    const methods = await new Promise<readonly string[]>((resolve, reject) => {
      let refusal: AppError | undefined;
      worker.once('message', (message: FromThread) => {
        if (message.type === 'ready') resolve(message.methods);
        else if (message.type === 'refused') refusal = new AppError(message.code, message.message);
      });
      worker.once('error', (cause) => {
        refusal = new AppError('worker-died', `the inference thread did not start: ${String(cause)}`, {
          cause,
        });
      });
      // Rejected only when the thread is really gone.
      worker.once('exit', (exitCode) =>
        reject(
          refusal ?? new AppError('worker-died', `the inference thread ended with exit code ${exitCode}`),
        ),
      );
    });
    return new InferenceThread(worker, methods, options);
  }

  /** Calls that have not been answered. */
  get pending(): number {
    return this.#waiting.length + (this.#running === undefined ? 0 : 1);
  }

  /**
   * Rejects what waits, lets the running call finish, closes the networks and ends the thread.
   * @throws AppError worker-died when that went wrong
   */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      const diedBefore = this.#dead !== undefined;
      for (const call of this.#waiting.splice(0)) call.reject(closed());
      if (this.#running === undefined) this.#send({ type: 'close' });
      await this.#gone;
      if (!diedBefore && this.#failure !== undefined) throw this.#dead;
    })();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #call(method: string, args: unknown[], urgent: boolean): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const gone = this.#closing === undefined ? this.#dead : closed();
      if (gone !== undefined) {
        reject(gone);
        return;
      }
      const firstOther = urgent ? this.#waiting.findIndex((call) => !call.urgent) : -1;
      const at = firstOther < 0 ? this.#waiting.length : firstOther;
      this.#waiting.splice(at, 0, { method, args, urgent, resolve, reject });
      this.#next();
    });
  }

  #next(): void {
    if (this.#running !== undefined) return;
    if (this.#closing !== undefined) {
      this.#send({ type: 'close' });
      return;
    }
    const call = this.#waiting.shift();
    if (call === undefined) return;
    this.#running = call;
    this.#callId += 1;
    try {
      const args = call.args.map(compacted);
      // A copy that compacting made is nobody's but ours and can be moved; the rest is cloned.
      const own = buffersOf(call.args);
      const movable = [...buffersOf(args)].filter((buffer) => !own.has(buffer));
      this.#worker.postMessage(
        { type: 'call', callId: this.#callId, method: call.method, args } satisfies ToThread,
        movable,
      );
    } catch (cause) {
      this.#running = undefined;
      call.reject(
        new AppError('invalid-argument', `${call.method} was called with what cannot cross`, { cause }),
      );
      this.#next();
    }
  }

  #receive(message: FromThread): void {
    if (message.type !== 'answer' && message.type !== 'error') return;
    const call = this.#running;
    if (call === undefined || message.callId !== this.#callId) return;
    this.#running = undefined;
    if (message.type === 'answer') call.resolve(message.result);
    else call.reject(new AppError(message.code, message.message));
    this.#next();
  }

  #send(message: ToThread): void {
    this.#worker.postMessage(message);
  }

  #rejectAll(error: AppError): void {
    const calls = this.#running === undefined ? this.#waiting : [this.#running, ...this.#waiting];
    this.#running = undefined;
    for (const call of calls.splice(0)) call.reject(error);
    this.#waiting.length = 0;
  }
}

function closed(): AppError {
  return new AppError('internal', 'the inference thread is closed');
}
