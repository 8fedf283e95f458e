import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import {
  acceptedNames,
  parseModelManifest,
  readModelManifest,
  type ModelManifest,
} from '../../../src/adapters/model-manifest.js';
import { sourceUrls } from '../../../src/adapters/model-source.js';
import { isAppError } from '../../../src/errors.js';

const FILE = 'models/manifest.json';
const MUSETALK_ROLES = ['unet', 'vae-encoder', 'vae-decoder', 'whisper-encoder'];

test("the project's manifest parses, and has the sets that the tools name", async () => {
  const { sets, models } = await readModelManifest(FILE);
  assert.deepEqual(Object.keys(sets), ['musetalk', 'musetalk-fp32', 'musetalk-torch', 'wav2lip']);
  assert.equal(models.length, 4);
  for (const name of ['musetalk', 'musetalk-fp32']) {
    const required = sets[name]!.files.filter((file) => file.required).map((file) => file.role);
    assert.deepEqual(required, MUSETALK_ROLES, name);
  }
  assert.ok(
    sets['musetalk']!.files.every((file) => !MUSETALK_ROLES.includes(file.role) || !('none' in file.source)),
  );
});

test('the official weights are pinned: revision, size and checksum', async () => {
  const { sets } = await readModelManifest(FILE);
  for (const file of sets['musetalk-torch']!.files) {
    assert.ok(!('none' in file.source), file.file);
    if ('repo' in file.source) assert.match(file.source.revision, /^[0-9a-f]{40}$/, file.file);
    if (!file.required) continue;
    assert.match(file.sha256 ?? '', /^[0-9a-f]{64}$/, file.file);
    assert.ok(file.sizeBytes, file.file);
  }
});

test('every role has accepted names, inputs and a rank for each of them', async () => {
  const { roles } = await readModelManifest(FILE);
  const seen = new Map<string, string>();
  for (const [name, role] of Object.entries(roles)) {
    const names = acceptedNames(role);
    for (const stem of role.stems)
      for (const file of [`${stem}.onnx`, `${stem}_fp16.onnx`, `${stem}_v15.onnx`, `musetalk_${stem}.onnx`])
        assert.ok(names.includes(file), `${name}: ${file}`);
    for (const file of names) {
      assert.equal(seen.get(file), undefined, `${file} belongs to two roles`);
      seen.set(file, name);
    }
    assert.ok(Object.keys(role.inputs).length > 0, name);
    assert.ok(role.anyNames === true || Object.keys(role.outputs).length > 0, name);
  }
});

const good = JSON.parse(await readFile(FILE, 'utf8')) as ModelManifest;
type Spoil = (manifest: ModelManifest & Record<string, unknown>) => void;
/** Writable in spite of the types: these manifests are wrong on purpose. */
const unet = (manifest: ModelManifest) =>
  manifest.sets['musetalk']!.files[0] as unknown as Record<string, unknown>;

const faults: readonly (readonly [string, Spoil, RegExp])[] = [
  ['a checksum that is none', (m) => (unet(m)['sha256'] = 'abc'), /sets.musetalk.files.0.sha256: must be 64/],
  [
    'neither checksum nor "unverified"',
    (m) => delete unet(m)['unverified'],
    /sets.musetalk.files.0: must have either a sha256 or/,
  ],
  [
    'a checksum and "unverified"',
    (m) => (unet(m)['sha256'] = 'a'.repeat(64)),
    /sets.musetalk.files.0: must have either a sha256 or/,
  ],
  ['a file outside the folder', (m) => (unet(m)['file'] = '../unet.onnx'), /files.0.file: .*"\.\." steps/],
  ['an absolute file', (m) => (unet(m)['file'] = '/unet.onnx'), /files.0.file: must be a relative path/],
  ['a file with a backslash', (m) => (unet(m)['file'] = 'a\\unet.onnx'), /files.0.file: must be a relative/],
  ['an unencrypted source', (m) => (unet(m)['source'] = { url: 'http://host/x' }), /must be an https URL/],
  ['no source', (m) => (unet(m)['source'] = {}), /files.0.source: must be \{repo, revision, path\}/],
  [
    'a name that no loader looks for',
    (m) => (unet(m)['file'] = 'net.onnx'),
    /is no accepted name of its role/,
  ],
  ['an unknown role', (m) => (unet(m)['role'] = 'ear'), /role ear, which "roles" does not describe/],
  [
    'a role twice',
    (m) => m.sets['musetalk']!.files.push(m.sets['musetalk']!.files[0]!),
    /has the role unet a second time/,
  ],
  ['an unknown key', (m) => (unet(m)['sha1'] = 'x'), /files.0: Unrecognized key: "sha1"/],
  ['no sets', (m) => delete (m as Record<string, unknown>)['sets'], /: sets: /],
  [
    'a dtype that nobody feeds',
    (m) => (m.roles['unet']!.inputs['timesteps']!.dtype = 'x' as 'int64'),
    /dtype/,
  ],
];
for (const [title, spoil, words] of faults)
  test(`refused in one sentence: ${title}`, () => {
    const manifest = structuredClone(good) as ModelManifest & Record<string, unknown>;
    spoil(manifest);
    assert.throws(
      () => parseModelManifest(JSON.stringify(manifest), 'some.json'),
      (error) => {
        assert.ok(isAppError(error, 'model-invalid'));
        assert.match(error.message, /^some.json is not a model manifest: [^\n]*$/);
        assert.match(error.message, words);
        return true;
      },
    );
  });

test('text that is no JSON, and a manifest that is not there', async () => {
  assert.throws(
    () => parseModelManifest('{"models": [', 'some.json'),
    (error) => isAppError(error, 'model-invalid') && /some.json is not JSON: /.test(error.message),
  );
  await assert.rejects(
    readModelManifest('no/such.json'),
    (error) => isAppError(error, 'file-not-found') && error.message.includes('no/such.json'),
  );
});

test('where a file is looked for, with and without a mirror', () => {
  const hub = { file: 'a/u.onnx', source: { repo: 'o/n', revision: 'main', path: 'p/u.onnx' } };
  assert.deepEqual(sourceUrls(hub), ['https://huggingface.co/o/n/resolve/main/p/u.onnx']);
  assert.deepEqual(sourceUrls(hub, 'https://mirror.example/hf//'), [
    'https://mirror.example/hf/o/n/resolve/main/p/u.onnx',
    'https://mirror.example/hf/a/u.onnx',
  ]);
  const elsewhere = { file: 'x.pth', source: { url: 'https://host.example/y.pth' } };
  assert.deepEqual(sourceUrls(elsewhere), ['https://host.example/y.pth']);
  assert.deepEqual(sourceUrls(elsewhere, 'file:///srv'), ['file:///srv/x.pth', 'https://host.example/y.pth']);
  assert.deepEqual(sourceUrls({ file: 'x.onnx', source: { none: 'why' } }, 'file:///srv'), []);
  assert.throws(
    () => sourceUrls(hub, 'mirror.example'),
    (error) => isAppError(error, 'invalid-argument') && /the mirror must be/.test(error.message),
  );
});
