import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const FOLDER = path.join(tmpdir(), 'musecast-bench-lips');

/** The SHA-256 of a file's content, hexadecimal. */
export async function hashOfFile(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
}

/** What `make` gave earlier for the same key parts, else what it gives now; kept as JSON in the system's folder for temporary files. */
export async function cached<T>(keyParts: readonly string[], make: () => Promise<T>): Promise<T> {
  const key = createHash('sha256').update(JSON.stringify(keyParts)).digest('hex');
  const file = path.join(FOLDER, `${key}.json`);
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text !== undefined) return JSON.parse(text) as T;
  const made = await make();
  await mkdir(FOLDER, { recursive: true });
  await writeFile(`${file}.${process.pid}`, JSON.stringify(made));
  await rename(`${file}.${process.pid}`, file);
  return made;
}
