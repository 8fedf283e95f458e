import { pino, type Logger } from 'pino';

/** The process's logger: JSON lines on standard error, so that standard output stays free for the address. */
export function createLogger(level: string, bindings: Record<string, unknown> = {}): Logger {
  return pino({ level, base: bindings }, pino.destination({ fd: 2, sync: true }));
}
