import assert from 'node:assert/strict';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** The real server in a process of its own, on a free port, with a data dir that goes with it. */
export interface TestServer {
  readonly url: string;
  readonly dataDir: string;
  readonly child: ChildProcess;
  readonly log: () => string;
  close(): Promise<void>;
}

const START_LIMIT_MS = 60_000;

/** @param program the server's entry; another one may put a part of its own in (see flash-server.ts). */
export async function startTestServer(
  flags: readonly string[] = [],
  program = 'dist/src/main.js',
): Promise<TestServer> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'musecast-test-'));
  const mediaRoots = [dataDir, path.resolve('../shared/data'), path.resolve('web/public')].flatMap((root) => [
    '--media-root',
    root,
  ]);
  const args = [
    program,
    '--host',
    '127.0.0.1',
    '--port',
    '0',
    '--data-dir',
    dataDir,
    ...mediaRoots,
    ...flags,
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-100_000)));
  const close = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    }
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    const url = await new Promise<string>((resolve, reject) => {
      const limit = setTimeout(
        () => reject(new Error(`the server did not start in ${START_LIMIT_MS} ms:\n${log}`)),
        START_LIMIT_MS,
      );
      let out = '';
      child.stdout.on('data', (chunk: Buffer) => {
        out += chunk.toString();
        const match = /listens on (http:\/\/\S+)/.exec(out);
        if (match?.[1] === undefined) return;
        clearTimeout(limit);
        resolve(match[1]);
      });
      child.once('exit', (code) => {
        clearTimeout(limit);
        reject(new Error(`the server ended with ${code}:\n${log}`));
      });
    });
    return {
      url: url.replace(/\/$/, '').replace('0.0.0.0', '127.0.0.1'),
      dataDir,
      child,
      log: () => log,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** POSTs JSON to a server's route and reads the JSON answer. */
export async function postJsonTo(
  server: TestServer,
  route: string,
  body: object,
): Promise<{ status: number; json: Record<string, unknown> }> {
  const response = await fetch(server.url + route, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

/** A server that does not come up: its exit status and what it said, log lines left out. */
export async function startRefused(...flags: string[]): Promise<{ status: number; stderr: string }> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'musecast-test-'));
  const args = ['dist/src/main.js', '--host', '127.0.0.1', '--port', '0', '--data-dir', dataDir, ...flags];
  try {
    return await new Promise((resolve) => {
      execFile(process.execPath, args, { timeout: START_LIMIT_MS }, (error, _stdout, stderr) =>
        resolve({
          status: typeof error?.code === 'number' ? error.code : -1,
          stderr: stderr
            .split('\n')
            .filter((line) => !line.startsWith('{'))
            .join('\n'),
        }),
      );
    });
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** One line without a stack or a value that was not put in. */
export function assertSentence(text: string): void {
  assert.equal(text.trim().split('\n').length, 1, text);
  assert.doesNotMatch(text, /^\s+at |undefined|\[object/m);
}

/** Waits until `check` gives something, asking every 50 ms; the label names what never came. */
export async function until<T>(
  label: string,
  check: () => Promise<T | undefined> | T | undefined,
  limitMs = 20_000,
): Promise<T> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const value = await check();
    if (value !== undefined) return value;
    if (performance.now() > deadline) throw new Error(`waited ${limitMs} ms in vain for: ${label}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
