import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Context } from 'hono';
import { readMultipart } from './multipart.js';
import { HttpRefusal } from './problem.js';
import { assertDeclaredSize, bodyChunks, tooLarge } from './request-body.js';

const MAX_FIELD_BYTES = 65_536;
/** Delimiters and heads of parts that a multipart body may have on top of its file. */
const MULTIPART_SLACK_BYTES = 1_048_576;

export interface UploadLimits {
  readonly uploadsDir: string;
  readonly maxUploadBytes: number;
}

export interface UploadedFile {
  readonly path: string;
  readonly sizeBytes: number;
}

export interface UploadedForm {
  readonly fields: Readonly<Record<string, string>>;
  readonly file: UploadedFile;
}

/**
 * A form with one file, which goes to disk as it arrives. Nothing is left on disk if the form is refused. `beforeFile`
 * sees the fields that came before the file and may refuse them before the long part is taken in.
 */
export async function receiveForm(
  c: Context,
  limits: UploadLimits,
  beforeFile: (fields: Readonly<Record<string, string>>) => void = () => {},
): Promise<UploadedForm> {
  assertDeclaredSize(c, limits.maxUploadBytes + MULTIPART_SLACK_BYTES);
  const fields: Record<string, string> = {};
  let file: UploadedFile | undefined;
  try {
    for await (const part of readMultipart(bodyChunks(c), c.req.header('content-type') ?? '')) {
      if (part.filename === undefined) {
        fields[part.name] = await readField(part.body);
      } else {
        if (file) throw new HttpRefusal(400, 'malformed-multipart', 'the form has more than one file');
        beforeFile(fields);
        file = await save(part.body, part.filename, limits);
      }
    }
    if (!file) throw missingFile();
    return { fields, file };
  } catch (error) {
    if (file) await discard(file);
    throw error;
  }
}

/** The body itself is the file. */
export async function receiveRaw(c: Context, limits: UploadLimits): Promise<UploadedFile> {
  assertDeclaredSize(c, limits.maxUploadBytes);
  return save(bodyChunks(c), '', limits);
}

export async function discard(file: UploadedFile): Promise<void> {
  await rm(file.path, { force: true });
}

async function save(
  chunks: AsyncIterable<Uint8Array>,
  filename: string,
  limits: UploadLimits,
): Promise<UploadedFile> {
  await mkdir(limits.uploadsDir, { recursive: true });
  // The client's name never becomes ours; only a harmless ending is kept, as a help for whoever looks into the folder.
  const ending = /\.[a-z0-9]{1,8}$/i.exec(filename)?.[0].toLowerCase() ?? '';
  const file = path.join(limits.uploadsDir, `${randomUUID()}${ending}`);
  const out = createWriteStream(file, { flags: 'wx', mode: 0o600 });
  let sizeBytes = 0;
  try {
    await pipeline(
      (async function* limited(): AsyncGenerator<Uint8Array> {
        for await (const chunk of chunks) {
          sizeBytes += chunk.byteLength;
          if (sizeBytes > limits.maxUploadBytes) throw tooLarge(limits.maxUploadBytes);
          yield chunk;
        }
      })(),
      out,
    );
    if (sizeBytes === 0) throw new HttpRefusal(400, 'empty-file', 'the file is empty');
    return { path: file, sizeBytes };
  } catch (error) {
    // It may still be about to be opened, and would be there again.
    if (!out.closed) await new Promise<void>((resolve) => out.once('close', () => resolve()));
    await rm(file, { force: true });
    throw error;
  }
}

async function readField(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of chunks) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > MAX_FIELD_BYTES) throw tooLarge(MAX_FIELD_BYTES);
    // Chunks are views of the parser's buffer, which stays alive as long as they do.
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString('utf8');
}

function missingFile(): HttpRefusal {
  const errors = [{ loc: ['body', 'file'], msg: 'Field required', type: 'missing' }];
  return new HttpRefusal(422, 'invalid-argument', 'the form has no file', { errors });
}
