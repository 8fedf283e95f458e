import { spawn } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** coturn (Debian package `coturn`) on one address of this machine, with credentials that run out. */
export const TURNSERVER = '/usr/bin/turnserver';

export const turnMissing = existsSync(TURNSERVER) ? false : 'coturn is not installed';

export interface TurnServer {
  readonly address: string;
  readonly port: number;
  readonly username: string;
  readonly credential: string;
  /** What it said so far. */
  readonly log: () => string;
  close(): Promise<void>;
}

export async function startTurnServer(address: string): Promise<TurnServer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'musecast-turn-'));
  const port = await freePort(address);
  const secret = randomBytes(16).toString('hex');
  const child = spawn(
    TURNSERVER,
    [
      ...['-n', '--no-cli', '--no-tls', '--no-dtls', '--log-file', 'stdout', '--simple-log', '--verbose'],
      ...['--listening-ip', address, '--relay-ip', address, '--listening-port', String(port)],
      ...['--use-auth-secret', '--static-auth-secret', secret, '--realm', 'test', '--allow-loopback-peers'],
      ...['--pidfile', path.join(folder, 'pid'), '--userdb', path.join(folder, 'users')],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let log = '';
  const ready = new Promise<void>((resolve, reject) => {
    const take = (chunk: Buffer): void => {
      log += chunk.toString();
      if (/UDP listener opened/.test(log)) resolve();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`turnserver ended with ${code}:\n${log}`)));
    setTimeout(() => reject(new Error(`turnserver did not start in 10 s:\n${log}`)), 10_000).unref();
  });
  const close = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await ready;
  } catch (error) {
    await close();
    throw error;
  }
  const username = `${Math.floor(Date.now() / 1000) + 600}:viewer`;
  const credential = createHmac('sha1', secret).update(username).digest('base64');
  return { address, port, username, credential, log: () => log, close };
}

async function freePort(address: string): Promise<number> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  await new Promise<void>((resolve) => socket.bind(0, address, resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}
