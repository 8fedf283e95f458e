import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { AppError } from '../errors.js';

/** models/manifest.json: which model files there are, where they come from and what they must look like. */

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits');
const dimension = z.union([z.number().int().positive(), z.string().min(1)]);
/** Stays inside the folder of its set on every system. */
const relativeFile = z
  .string()
  .regex(/^[\w.-]+(\/[\w.-]+)*$/, 'must be a relative path of letters, digits, ".", "-" and "_"')
  .refine((file) => !file.split('/').some((part) => /^\.+$/.test(part)), 'must not hold "." or ".." steps');

const shippedFile = z.looseObject({
  file: relativeFile,
  made: z.string(),
  sha256,
  sourceSha256: sha256.optional(),
  inputs: z.record(z.string(), z.array(dimension)).optional(),
  outputs: z.record(z.string(), z.array(dimension)).optional(),
  licence: z.string().min(1),
});

const tensor = z.strictObject({
  dims: z.array(dimension).min(1),
  /** What models/export writes; files of other origin may have float16 inputs and outputs. */
  dtype: z.enum(['float32', 'float16', 'int64']),
  /** Names of the same tensor in the exports of others. */
  alsoNamed: z.array(z.string().min(1)).optional(),
  optional: z.boolean().optional(),
});

const role = z.strictObject({
  about: z.string().min(1),
  /** File names without ending, from which `acceptedNames` makes the list. */
  stems: z.array(z.string().regex(/^[\w.-]+$/)).min(1),
  /** Names differ from export to export: only the number of tensors is held against the file. */
  anyNames: z.boolean().optional(),
  inputs: z.record(z.string(), tensor),
  outputs: z.record(z.string(), tensor),
});

const source = z.union(
  [
    z.strictObject({
      repo: z.string().regex(/^[\w.-]+\/[\w.-]+$/, 'must be owner/name'),
      revision: z.string().regex(/^[\w.-]+$/),
      path: relativeFile,
    }),
    z.strictObject({ url: z.url({ protocol: /^https$/, error: 'must be an https URL' }) }),
    z.strictObject({ none: z.string().min(1) }),
  ],
  { error: 'must be {repo, revision, path}, {url} (https) or {none: why}' },
);

const setFile = z
  .strictObject({
    role: z.string().min(1),
    required: z.boolean(),
    file: relativeFile,
    /** External tensor data that the graph looks for beside itself, under exactly this name. */
    weightsFile: relativeFile.optional(),
    variant: z.enum(['fp32', 'fp16']).optional(),
    source,
    sizeBytes: z.number().int().positive().optional(),
    /** Where the exact size is not known. */
    aboutBytes: z.number().int().positive().optional(),
    sha256: sha256.optional(),
    unverified: z.literal(true).optional(),
    licence: z.string().min(1),
  })
  .refine((file) => (file.sha256 === undefined) === (file.unverified === true), {
    error: 'must have either a sha256 or "unverified": true',
  });

const set = z.strictObject({
  about: z.string().min(1),
  /** Below the models folder. */
  folder: relativeFile,
  files: z.array(setFile).min(1),
});

const manifest = z
  .strictObject({
    models: z.array(shippedFile),
    checksums: z.string(),
    roles: z.record(z.string(), role),
    sets: z.record(z.string(), set),
  })
  .superRefine(({ roles, sets }, context) => {
    for (const [name, { files }] of Object.entries(sets)) {
      const seen = new Set<string>();
      for (const [index, file] of files.entries()) {
        const fault = (message: string): void =>
          context.addIssue({ code: 'custom', path: ['sets', name, 'files', index], message });
        if (seen.has(file.role)) fault(`has the role ${file.role} a second time`);
        seen.add(file.role);
        if (!file.file.endsWith('.onnx')) continue;
        const known = roles[file.role];
        if (known === undefined) fault(`has the role ${file.role}, which "roles" does not describe`);
        else if (!acceptedNames(known).includes(file.file))
          fault(`is named ${file.file}, which is no accepted name of its role ${file.role}`);
      }
    }
  });

export type ModelManifest = z.infer<typeof manifest>;
export type ModelRole = z.infer<typeof role>;
export type ModelTensor = z.infer<typeof tensor>;
export type ModelSet = z.infer<typeof set>;
export type ModelSetFile = z.infer<typeof setFile>;
export type ModelSource = z.infer<typeof source>;

const PREFIXES = ['', 'musetalk_'];
const SUFFIXES = ['', '_fp16', '_v15', '_v15_fp16'];

/** File names under which a role is looked for, best first: plain, _fp16, _v15, both, then the same with `musetalk_`. */
export function acceptedNames(role: Pick<ModelRole, 'stems'>): string[] {
  return role.stems.flatMap((stem) =>
    PREFIXES.flatMap((prefix) => SUFFIXES.map((suffix) => `${prefix}${stem}${suffix}.onnx`)),
  );
}

/** @throws AppError model-invalid, one sentence with the first fault; `label` names the file. */
export function parseModelManifest(text: string, label: string): ModelManifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new AppError('model-invalid', `${label} is not JSON: ${messageOf(error)}`, { cause: error });
  }
  const parsed = manifest.safeParse(value);
  if (parsed.success) return parsed.data;
  const [first] = parsed.error.issues;
  const where = first === undefined || first.path.length === 0 ? 'the top' : first.path.join('.');
  const more = parsed.error.issues.length > 1 ? ` (the first of ${parsed.error.issues.length} faults)` : '';
  throw new AppError(
    'model-invalid',
    `${label} is not a model manifest: ${where}: ${first?.message ?? 'unknown fault'}${more}`,
  );
}

/** @throws AppError file-not-found or model-invalid */
export async function readModelManifest(path: string): Promise<ModelManifest> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new AppError('file-not-found', `cannot read the model manifest ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return parseModelManifest(text, path);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
