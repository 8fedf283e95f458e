import { Worker } from 'node:worker_threads';
import { AppError } from '../../errors.js';
import type { Clock } from '../../lib/clock.js';
import type { Log } from '../../lib/log.js';
import { momentOf } from '../../lib/shared-clock.js';
import type { LocalCandidate } from '../../transport/ice-candidate.js';
import type { AudienceEvents } from './audience.js';
import type { FromSender, SenderCall, SenderCalls, SenderStart, ToSender } from './sender-messages.js';
import { ThreadAudience, type ThreadLink } from './thread-audience.js';

const FIRST_RESTART_MS = 200;
const MAX_RESTART_MS = 10_000;
/** A thread that lived so long was no failure from the start. */
const HEALTHY_MS = 10_000;
/** It tells once a second that it lives; one that hangs would have pictures pile up before it. */
const BEAT_MS = 1_000;
const MAX_MISSED_BEATS = 10;
/** Telling all viewers goodbye takes a moment. */
const CLOSE_LIMIT_MS = 2_000;

export interface SenderThreadOptions {
  /** Counts from 1; for the log. */
  readonly number: number;
  readonly start: Omit<SenderStart, 'moment'>;
  readonly clock: Clock;
  readonly log: Log;
}

interface Call {
  resolve(result: never): void;
  reject(error: AppError): void;
}

/**
 * A thread that sends to viewers: started, supervised, started again when it dies. What is known of its viewers lies in
 * their audiences here; they go with the thread.
 */
export class SenderThread {
  readonly #options: SenderThreadOptions;
  readonly #audiences = new Map<number, ThreadAudience>();
  readonly #calls = new Map<number, Call>();
  #worker: Worker | undefined;
  #ready: { readonly candidates: readonly LocalCandidate[]; readonly port: number } | undefined;
  #refusal: AppError | undefined;
  #bornMs = 0;
  #restartMs = FIRST_RESTART_MS;
  #cancelRestart: () => void = () => {};
  #stopWatch: () => void = () => {};
  #missedBeats = 0;
  #nextId = 1;
  #gone: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  private constructor(options: SenderThreadOptions) {
    this.#options = options;
  }

  /** Resolves when its sockets are open. @throws internal, worker-died */
  static async create(options: SenderThreadOptions): Promise<SenderThread> {
    const thread = new SenderThread(options);
    await thread.#spawn();
    return thread;
  }

  get ready(): boolean {
    return this.#ready !== undefined;
  }

  get candidates(): readonly LocalCandidate[] {
    return this.#ready?.candidates ?? [];
  }

  /** Of the first address; 0 while the thread is being started. */
  get port(): number {
    return this.#ready?.port ?? 0;
  }

  /** Viewers of all sessions. */
  get load(): number {
    let load = 0;
    for (const audience of this.#audiences.values()) load += audience.size;
    return load;
  }

  openAudience(sessionId: string, events: AudienceEvents): ThreadAudience {
    const audienceId = this.#nextId++;
    const thread = (): { ready: boolean; load: number } => this;
    const link: ThreadLink = {
      get ready() {
        return thread().ready;
      },
      get load() {
        return thread().load;
      },
      post: (message) => this.#post({ type: 'audience', audienceId, message }),
      call: (method, args) => this.#call(audienceId, method, args),
      close: () => void this.#audiences.delete(audienceId),
    };
    const audience = new ThreadAudience(sessionId, link, events);
    this.#audiences.set(audienceId, audience);
    return audience;
  }

  /** For tests: ends the thread as a crash would. Resolves when that has been noticed. */
  async kill(): Promise<void> {
    await this.#worker?.terminate();
    await this.#gone;
  }

  /** The viewers are told; what does not end by itself is ended. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#cancelRestart();
      this.#post({ type: 'stop' });
      const stopLimit = this.#options.clock.after(CLOSE_LIMIT_MS, () => void this.#worker?.terminate());
      await this.#gone;
      stopLimit();
    })();
    return this.#closing;
  }

  /** Resolves when the thread is ready. */
  #spawn(): Promise<void> {
    const { start, clock } = this.#options;
    this.#bornMs = clock.now();
    this.#refusal = undefined;
    const workerData: SenderStart = { ...start, moment: momentOf(clock) };
    const worker = new Worker(new URL('./sender-thread-entry.js', import.meta.url), { workerData });
    this.#worker = worker;
    let failure: string | undefined;
    worker.on('error', (error) => (failure = error instanceof Error ? error.message : String(error)));
    return new Promise((resolve, reject) => {
      worker.on('message', (message: FromSender) => {
        this.#receive(message);
        if (message.type === 'ready') resolve();
      });
      this.#gone = new Promise((gone) => {
        worker.once('exit', (exitCode) => {
          const how = this.#refusal?.message ?? failure ?? `exit code ${exitCode}`;
          this.#exited(how);
          reject(this.#refusal ?? new AppError('worker-died', `the sender thread ended: ${how}`));
          gone();
        });
      });
    });
  }

  #exited(how: string): void {
    const { number, clock, log } = this.#options;
    const started = this.#ready !== undefined;
    const viewers = this.load;
    this.#worker = undefined;
    this.#ready = undefined;
    this.#stopWatch();
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls)
      call.reject(new AppError('worker-died', `the sender thread ended (${how}); try again`));
    for (const audience of [...this.#audiences.values()]) audience.lost();
    if (this.#closing !== undefined) return;
    // One that did not even start the first time is the business of who started it.
    if (!started && this.#restartMs === FIRST_RESTART_MS) return;
    if (clock.now() - this.#bornMs > HEALTHY_MS) this.#restartMs = FIRST_RESTART_MS;
    log.error({ sender: number, how, viewers, againInMs: this.#restartMs }, 'sender thread died');
    this.#cancelRestart = clock.after(this.#restartMs, () => void this.#spawn().catch(() => {}));
    this.#restartMs = Math.min(this.#restartMs * 2, MAX_RESTART_MS);
  }

  /** Counts own turns instead of time: after a stall of the whole process nobody is to blame. */
  #watch(): void {
    this.#stopWatch = this.#options.clock.after(BEAT_MS, () => {
      this.#missedBeats += 1;
      if (this.#missedBeats > MAX_MISSED_BEATS) void this.#worker?.terminate();
      else this.#watch();
    });
  }

  #receive(message: FromSender): void {
    switch (message.type) {
      case 'ready':
        this.#ready = message;
        this.#missedBeats = 0;
        this.#watch();
        return;
      case 'alive':
        this.#missedBeats = 0;
        return;
      case 'failed':
        this.#refusal = new AppError(message.code, message.message);
        return;
      case 'audience':
        this.#audiences.get(message.audienceId)?.receive(message.message);
        return;
      case 'answer':
        this.#take(message.callId)?.resolve(message.result as never);
        return;
      case 'refusal':
        this.#take(message.callId)?.reject(new AppError(message.code, message.message));
    }
  }

  #take(callId: number): Call | undefined {
    const call = this.#calls.get(callId);
    this.#calls.delete(callId);
    return call;
  }

  #call<M extends keyof SenderCalls>(
    audienceId: number,
    method: M,
    args: SenderCalls[M]['args'],
  ): Promise<SenderCalls[M]['result']> {
    return new Promise((resolve, reject) => {
      if (this.#worker === undefined) {
        reject(new AppError('worker-died', 'the sender thread is being started again; try again'));
        return;
      }
      const callId = this.#nextId++;
      this.#calls.set(callId, { resolve, reject });
      const call = { method, args } as SenderCall;
      this.#post({ type: 'audience', audienceId, message: { type: 'call', callId, call } });
    });
  }

  #post(message: ToSender): void {
    this.#worker?.postMessage(message);
  }
}
