import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { isAppError, type ErrorCode } from '../../src/errors.js';
import { resolveMediaPath } from '../../src/paths.js';

let base = '';
let rootA = '';
let rootB = '';

before(async () => {
  base = await realpath(await mkdtemp(path.join(tmpdir(), 'musecast-paths-')));
  rootA = path.join(base, 'a');
  rootB = path.join(base, 'b');
  await mkdir(path.join(rootA, 'sub'), { recursive: true });
  await mkdir(rootB);
  await writeFile(path.join(rootA, 'sub', 'x.wav'), 'x');
  await writeFile(path.join(rootB, 'y.wav'), 'y');
  await writeFile(path.join(base, 'secret'), 's');
  await symlink(path.join(base, 'secret'), path.join(rootA, 'link'));
});
after(() => rm(base, { recursive: true, force: true }));

const refusal = (given: string, code: ErrorCode) =>
  assert.rejects(resolveMediaPath(given, [rootA, rootB]), (error) => isAppError(error, code));

test('relative paths are tried against each root, absolute ones must lie inside', async () => {
  assert.equal(await resolveMediaPath('sub/x.wav', [rootA, rootB]), path.join(rootA, 'sub/x.wav'));
  assert.equal(await resolveMediaPath('y.wav', [rootA, rootB]), path.join(rootB, 'y.wav'));
  assert.equal(await resolveMediaPath(path.join(rootB, 'y.wav'), [rootA, rootB]), path.join(rootB, 'y.wav'));
});

test('nothing leaves the roots', async () => {
  await refusal('../secret', 'path-outside-roots');
  await refusal(path.join(base, 'secret'), 'path-outside-roots');
  await refusal('link', 'path-outside-roots');
  await refusal('/etc/passwd', 'path-outside-roots');
  await refusal('../no-such-file', 'path-outside-roots');
});

test('missing files, folders and empty names have their own codes', async () => {
  await refusal('nothing.wav', 'file-not-found');
  await refusal('sub', 'not-a-file');
  await refusal('', 'invalid-argument');
  await refusal('a\0b', 'invalid-argument');
});
