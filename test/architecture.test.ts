import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

/** The arrows of ARCHITECTURE.md, held against the import lines of every source file. */

const root = process.cwd();
const MIDDLE = ['audio', 'face', 'avatar', 'compositor', 'encoder', 'rtp', 'sdp', 'text', 'transport'];
const BELOW_MIDDLE = ['lib', 'errors', 'media', 'adapters'];

/** What the files of a room may import, besides their own room. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  lib: ['errors'],
  errors: [],
  logger: [],
  paths: ['errors'],
  'config-options': [],
  config: ['errors', 'config-options'],
  'face-settings': ['config', 'errors', 'engine'],
  media: ['lib', 'errors'],
  adapters: ['lib', 'errors', 'media'],
  ...Object.fromEntries(MIDDLE.map((room) => [room, BELOW_MIDDLE])),
  engine: [...BELOW_MIDDLE, ...MIDDLE],
  worker: [...BELOW_MIDDLE, ...MIDDLE, 'engine', 'logger'],
  session: [...BELOW_MIDDLE, ...MIDDLE, 'engine', 'worker', 'logger'],
  signaling: [...BELOW_MIDDLE, ...MIDDLE, 'engine', 'worker', 'session'],
  cli: [
    ...BELOW_MIDDLE,
    ...MIDDLE,
    'engine',
    'worker',
    'session',
    'logger',
    'paths',
    'config',
    'face-settings',
    'main',
  ],
  main: [
    ...BELOW_MIDDLE,
    ...MIDDLE,
    'engine',
    'worker',
    'session',
    'signaling',
    'logger',
    'paths',
    'config',
    'face-settings',
  ],
};

/** The same within session/: what its folders may import of each other. The files beside them may import all. */
const SESSION_FOLDERS: Record<string, readonly string[]> = {
  events: [],
  viewers: ['events'],
  speech: ['events', 'viewers'],
  playout: ['events', 'viewers', 'speech'],
  recording: ['events', 'viewers', 'playout'],
};

/** Each outside library or global has one door. */
const DOORS: Record<string, { pattern: RegExp; files: RegExp }> = {
  // The server's side of DTLS; and the viewer's, with which the server tests itself (GET /v1/diagnose).
  werift: { pattern: /from 'werift/, files: /^src\/transport\/dtls-(endpoint|client)\.ts$/ },
  'onnxruntime-node': { pattern: /from 'onnxruntime-node'/, files: /^src\/adapters\/onnx\.ts$/ },
  'ffmpeg processes': {
    pattern: /import \{[^}]*\bspawn\b[^}]*\} from 'node:child_process'/,
    files: /^src\/adapters\/ffmpeg\.ts$/,
  },
  WebSockets: { pattern: /^import \{[^}]*\} from 'ws'/m, files: /^signaling\/audio\/audio-sockets\.ts$/ },
  'worker processes': {
    pattern: /import \{[^}]*\bfork\b[^}]*\} from 'node:child_process'/,
    files: /^src\/worker\/(host|job)\.ts$/,
  },
  'worker threads': {
    pattern: /from 'node:worker_threads'/,
    files: /^src\/(engine\/faces\/inference|session\/viewers\/sender)-thread(-entry)?\.ts$/,
  },
  // A program of src/cli hands it on to readConfig, or has variables of its own (a token must not stand in a list of processes).
  environment: { pattern: /process\.env/, files: /^src\/(config|main|cli\/\w+)\.ts$/ },
};

function sources(folder: string): string[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .sort();
}

const files = [...sources('src'), ...sources('signaling')];

function imports(file: string): string[] {
  const text = readFileSync(path.join(root, file), 'utf8');
  return [...text.matchAll(/from '(\.[^']+)'/g)].map((match) =>
    path.relative(root, path.resolve(root, path.dirname(file), (match[1] ?? '').replace(/\.js$/, '.ts'))),
  );
}

function room(file: string): string {
  const parts = file.split(path.sep);
  if (parts[0] === 'signaling') return 'signaling';
  return parts.length === 2 ? path.basename(file, '.ts') : (parts[1] ?? '');
}

test('imports run downwards only', () => {
  const breaches = files.flatMap((file) =>
    imports(file)
      .filter(
        (target) => room(target) !== room(file) && !(MAY_IMPORT[room(file)] ?? []).includes(room(target)),
      )
      .map((target) => `${file} -> ${target}`),
  );
  assert.deepEqual(breaches, []);
});

test('the folders of a session build on each other', () => {
  const folder = (file: string) => /^src\/session\/(?:(\w+)\/)?[^/]+$/.exec(file)?.[1] ?? '';
  const breaches = files
    .filter((file) => folder(file) !== '')
    .flatMap((file) =>
      imports(file)
        .filter((target) => target.startsWith('src/session/') && folder(target) !== folder(file))
        .filter((target) => !(SESSION_FOLDERS[folder(file)] ?? []).includes(folder(target)))
        .map((target) => `${file} -> ${target}`),
    );
  assert.deepEqual(breaches, []);
});

test('there is no import cycle', () => {
  const edges = new Map(files.map((file) => [file, imports(file)]));
  const done = new Set<string>();
  const visit = (file: string, trail: readonly string[]): void => {
    assert.ok(!trail.includes(file), `cycle: ${[...trail, file].join(' -> ')}`);
    if (done.has(file)) return;
    for (const target of edges.get(file) ?? []) visit(target, [...trail, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  assert.ok(done.size > 20, 'the test must see the sources');
});

for (const [name, { pattern, files: allowed }] of Object.entries(DOORS)) {
  test(`${name} has one door`, () => {
    const users = files.filter((file) => pattern.test(readFileSync(path.join(root, file), 'utf8')));
    assert.deepEqual(
      users.filter((file) => !allowed.test(file)),
      [],
    );
    assert.ok(users.length > 0, 'the pattern must match its door');
  });
}

test('no default exports, no barrels', () => {
  const bad = files.filter((file) => {
    const text = readFileSync(path.join(root, file), 'utf8');
    return (
      /^export default/m.test(text) || /^export \* from/m.test(text) || path.basename(file) === 'index.ts'
    );
  });
  assert.deepEqual(bad, []);
});
