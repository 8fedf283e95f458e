import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK']));

/** User and system time of all threads of a process so far, as Linux counts it (proc(5), /proc/pid/stat). */
export function processCpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, field 2, may hold spaces; utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond;
}

/** Gives the measured process the first core and the others the rest, so that viewers do not take its time. */
export async function pin(measuredPid: number, otherPids: readonly number[]): Promise<void> {
  const cores = availableParallelism();
  if (cores < 2) return;
  const set = (pid: number, list: string) =>
    promisify(execFile)('taskset', ['--all-tasks', '--cpu-list', '--pid', list, String(pid)]);
  await set(measuredPid, '0');
  for (const pid of otherPids) await set(pid, `1-${cores - 1}`);
}
