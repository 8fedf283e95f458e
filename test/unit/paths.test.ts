import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
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
  await symlink(base, path.join(rootA, 'up'));
  await symlink(path.join(rootA, 'sub'), path.join(rootB, 'sideways'));
});
after(() => rm(base, { recursive: true, force: true }));

const refusal = (given: string, code: ErrorCode, options: { folders?: boolean } = {}) =>
  assert.rejects(resolveMediaPath(given, [rootA, rootB], options), (error) => isAppError(error, code));

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

test('footage may be a folder, by the same rules', async (t) => {
  const footage = (given: string) => resolveMediaPath(given, [rootA, rootB], { folders: true });
  assert.equal(await footage('sub/'), path.join(rootA, 'sub'));
  assert.equal(await footage(path.join(rootA, 'sub')), path.join(rootA, 'sub'));
  assert.equal(await footage('sub/x.wav'), path.join(rootA, 'sub/x.wav'));
  // A link from one root into another stays inside.
  assert.equal(await footage('sideways'), path.join(rootA, 'sub'));
  for (const outside of ['..', '../', 'up', 'sub/../..', base, '/etc', '/', '../no-such-folder'])
    await refusal(outside, 'path-outside-roots', { folders: true });
  assert.equal(await footage('up/a/sub'), path.join(rootA, 'sub'), 'where it leads is judged');
  await refusal('nothing/', 'file-not-found', { folders: true });
  if (process.platform !== 'win32') {
    const socket = createServer().listen(path.join(rootA, 's'));
    t.after(() => socket.close());
    await once(socket, 'listening');
    await refusal('s', 'not-a-file', { folders: true });
  }
});
