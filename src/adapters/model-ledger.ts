import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';

const entrySchema = z.object({
  sizeBytes: z.number(),
  mtimeMs: z.number(),
  sha256: z.string(),
  /** The checksum was the one of the manifest, or the one that the server stated. */
  verified: z.boolean(),
});
const ledgerSchema = z.record(z.string(), entrySchema);
export type LedgerEntry = z.infer<typeof entrySchema>;

const LEDGER_FILE = '.checksums.json';

/**
 * `.checksums.json` in a models folder: checksums computed once, so that nobody has to read gigabytes again. An entry
 * counts only while the file has the same size and time of change.
 */
export class ModelLedger {
  readonly #folder: string;
  readonly #entries: Record<string, LedgerEntry>;

  private constructor(folder: string, entries: Record<string, LedgerEntry>) {
    this.#folder = folder;
    this.#entries = entries;
  }

  /** An absent or damaged ledger is an empty one. */
  static async open(folder: string): Promise<ModelLedger> {
    try {
      const text = await readFile(path.join(folder, LEDGER_FILE), 'utf8');
      return new ModelLedger(folder, ledgerSchema.parse(JSON.parse(text)));
    } catch {
      return new ModelLedger(folder, {});
    }
  }

  /** `file` relative to the folder; undefined when it is unknown, gone or changed. */
  async get(file: string): Promise<LedgerEntry | undefined> {
    const entry = this.#entries[file];
    const now = await stat(path.join(this.#folder, file)).catch(() => undefined);
    return entry !== undefined && now?.size === entry.sizeBytes && now.mtimeMs === entry.mtimeMs
      ? entry
      : undefined;
  }

  async record(file: string, sha256: string, verified: boolean): Promise<void> {
    const { size, mtimeMs } = await stat(path.join(this.#folder, file));
    this.#entries[file] = { sizeBytes: size, mtimeMs, sha256, verified };
    await mkdir(this.#folder, { recursive: true });
    const target = path.join(this.#folder, LEDGER_FILE);
    await writeFile(`${target}.new`, `${JSON.stringify(this.#entries, null, 2)}\n`);
    await rename(`${target}.new`, target);
  }
}
