import { open, stat } from 'node:fs/promises';
import path from 'node:path';
import { formatBytes, notAModel, sha256OfFile } from '../adapters/download/checks.js';
import type { ModelLedger } from '../adapters/model-ledger.js';
import {
  acceptedNames,
  type ModelManifest,
  type ModelRole,
  type ModelSetFile,
} from '../adapters/model-manifest.js';
import { OnnxModel } from '../adapters/onnx.js';
import { toAppError } from '../errors.js';

export interface FoundFile {
  /** Relative to the folder; the manifest's own name or another accepted one. */
  readonly name: string;
  readonly sizeBytes: number;
}

/** The file of an entry under the first of its names that is there. */
export async function findFile(
  folder: string,
  file: ModelSetFile,
  role: ModelRole | undefined,
): Promise<FoundFile | undefined> {
  for (const name of [file.file, ...(role === undefined ? [] : acceptedNames(role))]) {
    const found = await stat(path.join(folder, name)).catch(() => undefined);
    if (found?.isFile()) return { name, sizeBytes: found.size };
  }
  return undefined;
}

/** One word or two for the list, without reading the file. */
export async function quickState(
  folder: string,
  file: ModelSetFile,
  role: ModelRole | undefined,
  ledger: ModelLedger,
): Promise<string> {
  const found = await findFile(folder, file, role);
  if (found === undefined) {
    const part = await stat(path.join(folder, `${file.file}.part`)).catch(() => undefined);
    return part === undefined ? 'missing' : 'partly here';
  }
  const entry = await ledger.get(found.name);
  if (found.name !== file.file) return `present as ${found.name}`;
  if (file.sha256 !== undefined && file.sizeBytes !== undefined && found.sizeBytes !== file.sizeBytes)
    return 'wrong size';
  return entry?.verified === true && (file.sha256 ?? entry.sha256) === entry.sha256 ? 'verified' : 'present';
}

export interface CheckResult {
  readonly fine: boolean;
  readonly text: string;
}

/** Reads the file: size and checksum where the manifest has them, otherwise the graph's inputs and outputs. */
export async function checkFile(
  folder: string,
  file: ModelSetFile,
  manifest: ModelManifest,
  ledger: ModelLedger,
): Promise<CheckResult> {
  const role = file.file.endsWith('.onnx') ? manifest.roles[file.role] : undefined;
  const found = await findFile(folder, file, role);
  if (found === undefined)
    return file.required
      ? { fine: false, text: `${file.file}: missing` }
      : { fine: true, text: `${file.file}: missing (optional)` };
  const target = path.join(folder, found.name);
  const bad = (why: string): CheckResult => ({ fine: false, text: `${found.name}: ${why}` });
  const pinned = found.name === file.file ? file.sha256 : undefined;
  if (pinned !== undefined && file.sizeBytes !== undefined && file.sizeBytes !== found.sizeBytes)
    return bad(`has ${found.sizeBytes} bytes instead of ${file.sizeBytes}; delete it and download it again`);
  const junk = notAModel(await headOf(target), '');
  if (junk !== undefined) return bad(`holds ${junk}; delete it and download it again`);
  const sha256 = await sha256OfFile(target);
  if (pinned !== undefined && sha256 !== pinned)
    return bad(
      `has the sha256 ${sha256}, not ${pinned}: it is damaged or another file; delete it and download it again`,
    );
  const earlier = await ledger.get(found.name);
  const fault = pinned === undefined && role !== undefined ? await graphFault(target, role, file) : undefined;
  if (fault !== undefined) return bad(`${fault} (sha256 ${sha256})`);
  const verified = pinned !== undefined || (earlier?.verified === true && earlier.sha256 === sha256);
  await ledger.record(found.name, sha256, verified);
  const what = verified
    ? 'verified'
    : role !== undefined
      ? 'inputs and outputs fit; no checksum to compare with'
      : 'present; no checksum to compare with';
  return { fine: true, text: `${found.name}: ${what} (${formatBytes(found.sizeBytes)}, sha256 ${sha256})` };
}

async function headOf(file: string): Promise<Uint8Array> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(256), 0, 256, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** Opens the graph and holds the names of its inputs and outputs against the role; undefined when they fit. */
async function graphFault(target: string, role: ModelRole, file: ModelSetFile): Promise<string | undefined> {
  let model: OnnxModel;
  try {
    model = await OnnxModel.load(target);
  } catch (error) {
    const beside = file.weightsFile === undefined ? '' : ` (${file.weightsFile} may have to lie beside it)`;
    return `${toAppError(error).message}${beside}`;
  }
  try {
    return (
      namesFault('input', model.inputNames, role.inputs, role.anyNames === true) ??
      namesFault('output', model.outputNames, role.outputs, role.anyNames === true)
    );
  } finally {
    await model.close();
  }
}

/** Also for tests. */
export function namesFault(
  kind: 'input' | 'output',
  found: readonly string[],
  wanted: ModelRole['inputs'],
  anyNames: boolean,
): string | undefined {
  const tensors = Object.entries(wanted).map(([name, tensor]) => ({
    names: [name, ...(tensor.alsoNamed ?? [])],
    optional: tensor.optional === true,
  }));
  const has = `it has the ${kind}s ${found.join(', ')}`;
  if (anyNames) {
    // Further outputs are left alone, further inputs could not be fed.
    const fits = kind === 'input' ? found.length === tensors.length : found.length >= tensors.length;
    return fits ? undefined : `${has}, ${tensors.length} expected`;
  }
  const missing = tensors.find(({ names, optional }) => !optional && !names.some((n) => found.includes(n)));
  if (missing !== undefined) return `${has}, but not ${missing.names.join(' or ')}`;
  const unknown = found.find((name) => !tensors.some(({ names }) => names.includes(name)));
  return kind === 'input' && unknown !== undefined
    ? `${has}, and nobody knows what to feed to ${unknown}`
    : undefined;
}
