import { readdirSync, readFileSync } from 'node:fs';

/** Command names of all processes below one (Linux). */
export function descendants(pid: number): string[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const [, command = '', rest = ''] =
        /^\d+ \((.*)\) (.*)$/s.exec(readFileSync(`/proc/${name}/stat`, 'utf8')) ?? [];
      const [state, parent] = rest.split(' ');
      if (Number(parent) !== pid || state === 'Z') return [];
      return [command, ...descendants(Number(name))];
    } catch {
      return []; // gone meanwhile
    }
  });
}
