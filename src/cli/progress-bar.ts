/** One line that redraws itself on a terminal, and a line every tenth elsewhere; on stderr. */
export function progressBar(label: string): (fraction: number) => void {
  let last = -1;
  return (fraction) => {
    const step = Math.floor(fraction * (process.stderr.isTTY ? 100 : 10));
    if (step === last) return;
    last = step;
    const filled = Math.round(fraction * 30);
    const bar = `${label} [${'#'.repeat(filled)}${'-'.repeat(30 - filled)}] ${Math.round(fraction * 100)} %`;
    process.stderr.write(process.stderr.isTTY ? `\r${bar}${fraction >= 1 ? '\n' : ''}` : `${bar}\n`);
  };
}
