/** Takes a program's own options (`--name value` or `--name=value`) out of a command line; the rest are the server's flags. */
export function takeOwnOptions(
  argv: readonly string[],
  names: readonly string[],
): { own: ReadonlyMap<string, string>; rest: string[] } {
  const own = new Map<string, string>();
  const rest: string[] = [];
  for (let i = 0; i < argv.length; i += 1) {
    const match = /^--([a-z]+)(?:=(.*))?$/.exec(argv[i] ?? '');
    const name = match?.[1];
    if (name === undefined || !names.includes(name)) rest.push(argv[i] ?? '');
    else own.set(name, match?.[2] ?? argv[(i += 1)] ?? '');
  }
  return { own, rest };
}
