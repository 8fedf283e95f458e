import { stat } from 'node:fs/promises';
import path from 'node:path';
import { assertRoom, formatBytes, sha256OfFile } from '../adapters/download/checks.js';
import { downloadFile } from '../adapters/download/download.js';
import { ModelLedger } from '../adapters/model-ledger.js';
import type { ModelSet, ModelSetFile } from '../adapters/model-manifest.js';
import { sourceUrls } from '../adapters/model-source.js';
import { toAppError } from '../errors.js';
import { transferBar } from './transfer-bar.js';

export interface SetDownload {
  readonly setName: string;
  readonly folder: string;
  /** Roles; empty: all. */
  readonly only: readonly string[];
  /** Replace files that are here already. */
  readonly force: boolean;
  readonly mirror: string | undefined;
  readonly token: string | undefined;
  readonly signal: AbortSignal;
  /** A line for the user: news, and what went wrong. */
  readonly say: (line: string) => void;
  readonly complain: (line: string) => void;
}

/** Fetches what is not here yet, with a bar on stderr; resolves with the number of files that failed. */
export async function downloadSet(set: ModelSet, args: SetDownload): Promise<number> {
  const { folder, say, complain, signal, setName } = args;
  const ledger = await ModelLedger.open(folder);
  const wanted: ModelSetFile[] = [];
  let failures = 0;
  for (const file of set.files) {
    if (args.only.length > 0 && !args.only.includes(file.role)) continue;
    const here = args.force ? undefined : await alreadyHere(folder, file, ledger);
    if (here !== undefined) {
      if (!here.fine) failures += 1;
      (here.fine ? say : complain)(`${file.file}: ${here.text}`);
    } else if ('none' in file.source) {
      const matters = file.required || args.only.length > 0;
      if (matters) failures += 1;
      (matters ? complain : say)(`${file.file}: ${file.source.none}${matters ? '' : ' (optional)'}`);
    } else wanted.push(file);
  }
  const sizes = new Map(wanted.map((file) => [file, file.sizeBytes ?? file.aboutBytes]));
  const neededBytes = sumOf(sizes.values());
  await assertSetFits(folder, wanted, neededBytes, setName);
  let doneBytes = 0;
  for (const [index, file] of wanted.entries()) {
    const all = ({
      receivedBytes,
      totalBytes,
    }: {
      receivedBytes: number;
      totalBytes: number | undefined;
    }) => {
      if (totalBytes !== undefined) sizes.set(file, totalBytes);
      const more = [...sizes.values()].includes(undefined) ? ' and more' : '';
      return `all: ${formatBytes(doneBytes + receivedBytes)} of ${formatBytes(sumOf(sizes.values()))}${more}`;
    };
    try {
      const got = await downloadFile({
        urls: sourceUrls(file, args.mirror),
        path: path.join(folder, file.file),
        sha256: file.sha256,
        // Sizes of files without a checksum are hearsay; the server knows better.
        sizeBytes: file.sha256 === undefined ? undefined : file.sizeBytes,
        token: 'repo' in file.source ? args.token : undefined,
        signal,
        onProgress: transferBar(`[${index + 1}/${wanted.length}] ${file.file}`, all),
      });
      if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
      doneBytes += got.sizeBytes;
      await ledger.record(file.file, got.sha256, got.checkedAgainst !== 'nothing');
      const checked = {
        manifest: 'verified',
        server: 'verified against the checksum that the server states',
        nothing: 'no checksum to compare with; run verify to look inside',
      }[got.checkedAgainst];
      say(`${file.file}: ${checked} (${formatBytes(got.sizeBytes)}, sha256 ${got.sha256})`);
    } catch (error) {
      if (process.stderr.isTTY) process.stderr.write('\n');
      if (signal.aborted) throw error;
      const { code, message } = toAppError(error);
      complain(`${file.file}: ${message}`);
      failures += 1;
      // A line or a disk that fails one file fails them all.
      if (code === 'timeout' || code === 'no-capacity') break;
    }
  }
  return failures;
}

/** Before the first byte: room for everything whose size is known, less what earlier transfers left. */
async function assertSetFits(
  folder: string,
  wanted: readonly ModelSetFile[],
  neededBytes: number,
  setName: string,
): Promise<void> {
  let existing = folder;
  while ((await stat(existing).catch(() => undefined)) === undefined) existing = path.dirname(existing);
  let hereBytes = 0;
  for (const { file } of wanted)
    hereBytes += ((await stat(path.join(folder, `${file}.part`)).catch(() => undefined))?.blocks ?? 0) * 512;
  await assertRoom(existing, neededBytes - hereBytes, `the set ${setName}`);
}

/** What is to be said of a file that need not, or must not, be fetched; undefined when it is to be fetched. */
async function alreadyHere(
  folder: string,
  file: ModelSetFile,
  ledger: ModelLedger,
): Promise<{ fine: boolean; text: string } | undefined> {
  const target = path.join(folder, file.file);
  if ((await stat(target).catch(() => undefined)) === undefined) return undefined;
  const entry = await ledger.get(file.file);
  if (file.sha256 === undefined)
    return {
      fine: true,
      text: `already here${entry?.verified === true ? ', verified' : ''}; --force replaces it`,
    };
  const sha256 = entry?.sha256 ?? (await sha256OfFile(target));
  if (sha256 === file.sha256) {
    if (entry === undefined) await ledger.record(file.file, sha256, true);
    return { fine: true, text: 'already here, verified' };
  }
  return {
    fine: false,
    text: `already here with other contents (sha256 ${sha256}, not ${file.sha256}); --force replaces it`,
  };
}

function sumOf(sizes: Iterable<number | undefined>): number {
  let sum = 0;
  for (const size of sizes) sum += size ?? 0;
  return sum;
}
