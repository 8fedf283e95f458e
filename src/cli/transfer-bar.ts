import { formatBytes } from '../adapters/download/checks.js';
import type { TransferProgress } from '../adapters/download/meter.js';

const BAR_WIDTH = 24;

/**
 * Shows how a download gets on: one line that redraws itself on a terminal, a line every tenth elsewhere.
 * @param total text about all files together, for the end of the line
 */
export function transferBar(
  label: string,
  total: (progress: TransferProgress) => string,
  out: { isTTY?: boolean; write(text: string): unknown } = process.stderr,
): (progress: TransferProgress) => void {
  let lastTenth = -1;
  return (progress) => {
    const { receivedBytes, totalBytes, bytesPerS, remainingS } = progress;
    const fraction = totalBytes === undefined ? undefined : receivedBytes / totalBytes;
    const complete = fraction === 1;
    const parts = [
      label,
      fraction === undefined
        ? formatBytes(receivedBytes)
        : `[${'#'.repeat(Math.floor(fraction * BAR_WIDTH)).padEnd(BAR_WIDTH, '-')}] ${Math.floor(fraction * 100)} % of ${formatBytes(totalBytes ?? 0)}`,
      `${formatBytes(bytesPerS)}/s`,
      complete ? 'checking' : remainingS === undefined ? '' : `${formatSeconds(remainingS)} left`,
      total(progress),
    ];
    const line = parts.filter((part) => part !== '').join('  ');
    if (out.isTTY === true) {
      out.write(`\r${line}\u001b[K`);
      return;
    }
    // Where the length is unknown, a line every 100 MB.
    const tenth = Math.floor(fraction === undefined ? receivedBytes / 1e8 : fraction * 10);
    if (tenth === lastTenth) return;
    lastTenth = tenth;
    out.write(`${line}\n`);
  };
}

function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 90) return `${whole} s`;
  const minutes = Math.ceil(whole / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
