/** Calls into another process, over Node's channel to a child or over lines of JSON to any other program. */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export type Methods = Record<string, (argument: never) => Promise<unknown>>;
type Argument<M extends Methods, K extends keyof M> = Parameters<M[K]>[0];
type Answer<M extends Methods, K extends keyof M> = Awaited<ReturnType<M[K]>>;

interface Call {
  readonly call: number;
  readonly method: string;
  readonly argument: unknown;
}
interface Reply {
  readonly call: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** The child's side. */
export function serve(methods: Methods): void {
  process.on('message', ({ call, method, argument }: Call) => {
    const reply = (rest: Omit<Reply, 'call'>) => process.send?.({ call, ...rest });
    const run = methods[method] as ((argument: unknown) => Promise<unknown>) | undefined;
    if (run === undefined) return void reply({ error: `no method ${method}` });
    run(argument).then(
      (value) => reply({ value }),
      (error: unknown) => reply({ error: error instanceof Error ? error.message : String(error) }),
    );
  });
  process.on('disconnect', () => process.exit());
}

/** The parent's side. A call rejects with what the other side threw, and when the process is gone. */
export class Remote<M extends Methods> {
  readonly child: ChildProcess;
  #send: (call: Call) => void;
  #calls = 0;
  #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();

  private constructor(child: ChildProcess, send: (call: Call) => void) {
    this.child = child;
    this.#send = send;
    child.once('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values())
        reject(new Error(`process ${child.pid} ended with ${signal ?? code}`));
      this.#waiting.clear();
    });
  }

  /** A compiled module. */
  static module<M extends Methods>(module: URL): Remote<M> {
    const child = fork(fileURLToPath(module));
    const remote = new Remote<M>(child, (call) => child.send(call));
    child.on('message', (reply: Reply) => remote.#settle(reply));
    return remote;
  }

  /** A program that reads calls from its input and writes replies to its output, one JSON object a line. */
  static program<M extends Methods>(command: string, args: readonly string[]): Remote<M> {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const remote = new Remote<M>(child, (call) => child.stdin.write(`${JSON.stringify(call)}\n`));
    createInterface({ input: child.stdout }).on('line', (line) => remote.#settle(JSON.parse(line) as Reply));
    return remote;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  call<K extends keyof M & string>(method: K, argument: Argument<M, K>): Promise<Answer<M, K>> {
    return new Promise((resolve, reject) => {
      this.#calls += 1;
      this.#waiting.set(this.#calls, { resolve: (value) => resolve(value as Answer<M, K>), reject });
      this.#send({ call: this.#calls, method, argument });
    });
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL'); // nothing of it is kept
    await gone;
  }

  #settle({ call, value, error }: Reply): void {
    const waiting = this.#waiting.get(call);
    this.#waiting.delete(call);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(error));
  }
}
