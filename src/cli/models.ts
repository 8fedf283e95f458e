import path from 'node:path';
import { parseArgs } from 'node:util';
import { formatBytes } from '../adapters/download/checks.js';
import { ModelLedger } from '../adapters/model-ledger.js';
import {
  readModelManifest,
  type ModelManifest,
  type ModelSet,
  type ModelSetFile,
} from '../adapters/model-manifest.js';
import { mirrorBase } from '../adapters/model-source.js';
import { AppError, toAppError } from '../errors.js';
import { projectRoot } from '../paths.js';
import { CUDA_NEEDS, installCuda } from './cuda.js';
import { checkFile, quickState } from './model-check.js';
import { downloadSet } from './model-download.js';

/** `npm run models -- list|download|verify|cuda`: the model files that are not part of this project. */

const USAGE = `usage: npm run models -- <verb> [set] [flags]

  list [set]       every file: size, whether it is here, licence
  download [set]   fetches a set (default: musetalk) and checks it; run it again to go on after a break
  verify [set]     reads every file of a set (default: musetalk): checksum, or the graph's inputs and outputs
  cuda             fetches the CUDA libraries of onnxruntime-node (linux/x64)

  --dir <folder>         where the set lies (default: models/<folder of the set>)
  --only <role>          download: this role only; repeatable
  --mirror <address>     download: instead of https://huggingface.co (http, https or file)
  --force                download: replace files that are here already
  --models-dir <folder>  default: ./models of the project
  --manifest <file>      default: models/manifest.json of the project

Environment: MUSECAST_MODELS_DIR, MUSECAST_MODEL_MIRROR, and MUSECAST_HF_TOKEN or HF_TOKEN for a token.`;

type Env = Readonly<Record<string, string | undefined>>;

class UsageError extends AppError {
  constructor(message: string) {
    super('invalid-argument', message);
  }
}

function readArgs(argv: readonly string[], env: Env) {
  const text = { type: 'string' } as const;
  let parsed;
  try {
    parsed = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        dir: text,
        only: { type: 'string', multiple: true },
        mirror: text,
        force: { type: 'boolean' },
        'models-dir': text,
        manifest: text,
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError(`${toAppError(error).message}\n${USAGE}`);
  }
  const { values, positionals } = parsed;
  const given = (value: string | undefined) => (value === '' ? undefined : value);
  const root = path.join(projectRoot(), 'models');
  const mirror = given(values.mirror) ?? given(env['MUSECAST_MODEL_MIRROR']);
  try {
    if (mirror !== undefined) mirrorBase(mirror);
  } catch (error) {
    throw new UsageError(toAppError(error).message);
  }
  if (positionals.length > 2)
    throw new UsageError(`one set at a time, got ${positionals.slice(1).join(' ')}`);
  return {
    verb: values.help === true ? 'help' : positionals[0],
    setName: positionals[1],
    dir: values.dir === undefined ? undefined : path.resolve(values.dir),
    only: values.only ?? [],
    force: values.force === true,
    mirror,
    token: given(env['MUSECAST_HF_TOKEN']) ?? given(env['HF_TOKEN']),
    modelsDir: path.resolve(values['models-dir'] ?? given(env['MUSECAST_MODELS_DIR']) ?? root),
    manifestPath: path.resolve(values.manifest ?? path.join(root, 'manifest.json')),
  };
}

type Args = ReturnType<typeof readArgs>;

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const complain = (line: string): void => void process.stderr.write(`${line}\n`);

function chosenSet(manifest: ModelManifest, name: string): ModelSet {
  const set = manifest.sets[name];
  if (set !== undefined) return set;
  throw new UsageError(`there is no set ${name}; there are ${Object.keys(manifest.sets).join(', ')}`);
}

const folderOf = (set: ModelSet, args: Args): string => args.dir ?? path.join(args.modelsDir, set.folder);

function sizeText({ sizeBytes, aboutBytes }: ModelSetFile): string {
  if (sizeBytes !== undefined) return formatBytes(sizeBytes);
  return aboutBytes === undefined ? '?' : `~${formatBytes(aboutBytes)}`;
}

async function list(manifest: ModelManifest, args: Args): Promise<number> {
  if (args.setName !== undefined) chosenSet(manifest, args.setName);
  for (const [name, set] of Object.entries(manifest.sets)) {
    if (args.setName !== undefined && name !== args.setName) continue;
    const folder = folderOf(set, args);
    const ledger = await ModelLedger.open(folder);
    say(`${name}: ${set.about}\n  in ${folder}`);
    const rows = [['role', 'file', 'size', 'state', 'licence']];
    for (const file of set.files) {
      const state = await quickState(folder, file, manifest.roles[file.role], ledger);
      rows.push([
        file.required ? file.role : `${file.role} (optional)`,
        file.file,
        sizeText(file),
        state === 'missing' && 'none' in file.source ? 'missing, no source' : state,
        file.licence,
      ]);
    }
    const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
    for (const row of rows)
      say(`  ${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`.trimEnd());
    say('');
  }
  return 0;
}

async function verify(manifest: ModelManifest, args: Args): Promise<number> {
  const set = chosenSet(manifest, args.setName ?? 'musetalk');
  const folder = folderOf(set, args);
  const ledger = await ModelLedger.open(folder);
  let bad = 0;
  for (const file of set.files) {
    const { fine, text } = await checkFile(folder, file, manifest, ledger);
    if (!fine) bad += 1;
    (fine ? say : complain)(`${fine ? 'ok ' : 'BAD'} ${file.role}: ${text}`);
  }
  if (bad > 0) complain(`${bad} of ${set.files.length} files in ${folder} are missing or wrong`);
  return bad > 0 ? 1 : 0;
}

async function main(argv: readonly string[], env: Env): Promise<number> {
  const args = readArgs(argv, env);
  const abort = new AbortController();
  process.once('SIGINT', () =>
    abort.abort(new AppError('internal', 'stopped; run the same command again to go on')),
  );
  const manifest = () => readModelManifest(args.manifestPath);
  switch (args.verb) {
    case 'list':
      return list(await manifest(), args);
    case 'download': {
      const setName = args.setName ?? 'musetalk';
      const set = chosenSet(await manifest(), setName);
      const unknown = args.only.find((role) => !set.files.some((file) => file.role === role));
      if (unknown !== undefined)
        throw new UsageError(
          `the set ${setName} has no role ${unknown}; it has ${set.files.map(({ role }) => role).join(', ')}`,
        );
      const failures = await downloadSet(set, {
        ...args,
        setName,
        folder: folderOf(set, args),
        say,
        complain,
        signal: abort.signal,
      });
      return failures > 0 ? 1 : 0;
    }
    case 'verify':
      return verify(await manifest(), args);
    case 'cuda': {
      complain(CUDA_NEEDS);
      say(`installed ${installCuda({ env, platform: `${process.platform}/${process.arch}` })}`);
      return 0;
    }
    case 'help':
      say(USAGE);
      return 0;
    case undefined:
      throw new UsageError(USAGE);
    default:
      throw new UsageError(`there is no verb ${args.verb}\n${USAGE}`);
  }
}

main(process.argv.slice(2), process.env).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    complain(toAppError(error).message);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  },
);
