import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Debian's package goes with Debian's Python, which another one may stand in front of. */
const PYTHONS = ['python3', '/usr/bin/python3'];

export const AIORTC_MISSING = 'aiortc is not installed (Debian: apt-get install python3-aiortc)';

/** A Python that has aiortc, with its version, or undefined. */
export async function findAiortc(): Promise<{ python: string; version: string } | undefined> {
  for (const python of PYTHONS) {
    try {
      const { stdout } = await promisify(execFile)(python, [
        '-c',
        'import aiortc; print(aiortc.__version__)',
      ]);
      return { python, version: stdout.trim() };
    } catch {
      // The next one may have it.
    }
  }
  return undefined;
}
