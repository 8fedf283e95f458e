import assert from 'node:assert/strict';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { FRAMES_FILE, HIDDEN_PREFIX, LANDMARKS_FILE, MANIFEST_FILE } from '../../../src/avatar/manifest.js';
import { AvatarStore } from '../../../src/avatar/store.js';
import { Workspace } from '../../../src/avatar/workspace.js';
import { temporaryFolder } from '../../helpers/media.js';

const PICTURE_BYTES = (4 * 2 * 3) / 2;

async function writeAvatar(root: string, id: string, createdAtUnixS: number, frameCount = 3): Promise<void> {
  const folder = path.join(root, id);
  await mkdir(folder, { recursive: true });
  const frames = Buffer.concat(
    Array.from({ length: frameCount }, (_, index) => Buffer.alloc(PICTURE_BYTES, index + 1)),
  );
  await writeFile(path.join(folder, FRAMES_FILE), frames);
  const landmarks = Float32Array.from({ length: frameCount * 1404 }, (_, index) => index);
  await writeFile(path.join(folder, LANDMARKS_FILE), new Uint8Array(landmarks.buffer));
  const manifest = {
    version: 1,
    id,
    createdAtUnixS,
    widthPx: 4,
    heightPx: 2,
    fps: 25,
    frameCount,
    still: false,
    source: {},
    quality: {},
  };
  await writeFile(path.join(folder, MANIFEST_FILE), JSON.stringify(manifest));
}

describe('AvatarStore', () => {
  it('lists the whole ones, oldest first, and has none in a folder that is not there', async (t) => {
    const root = await temporaryFolder(t);
    assert.deepEqual(await new AvatarStore(path.join(root, 'absent')).list(), []);
    await writeAvatar(root, 'late', 200.5);
    await writeAvatar(root, 'early', 200.25);
    await writeAvatar(root, '.making-1-x', 1);
    await mkdir(path.join(root, 'foreign'));
    assert.deepEqual(
      (await new AvatarStore(root).list()).map((avatar) => avatar.id),
      ['early', 'late'],
    );
  });

  it('reads pictures and landmarks by number', async (t) => {
    const root = await temporaryFolder(t);
    await writeAvatar(root, 'a', 1);
    const avatar = await new AvatarStore(root).open('a');
    const picture = new Uint8Array(PICTURE_BYTES);
    for (const index of [2, 0, 1]) {
      avatar.readFrame(index, picture);
      assert.ok(picture.every((value) => value === index + 1));
      assert.equal(avatar.landmarks(index)[0], index * 1404);
      assert.equal(avatar.landmarks(index).length, 1404);
    }
    for (const index of [-1, 3, 0.5, Number.NaN])
      assert.throws(() => avatar.readFrame(index, picture), { code: 'invalid-argument' });
    assert.throws(() => avatar.readFrame(0, new Uint8Array(3)), { code: 'invalid-argument' });
    avatar.close();
    avatar.close();
    assert.throws(() => avatar.readFrame(0, picture), { code: 'internal' });
  });

  it('goes on reading what is deleted, and then knows it no more', async (t) => {
    const root = await temporaryFolder(t);
    await writeAvatar(root, 'a', 1);
    const store = new AvatarStore(root);
    const avatar = await store.open('a');
    await store.delete('a');
    avatar.readFrame(1, new Uint8Array(PICTURE_BYTES));
    avatar.close();
    assert.deepEqual(await readdir(root), []);
    for (const act of [() => store.get('a'), () => store.open('a'), () => store.delete('a')])
      await assert.rejects(act, { code: 'avatar-not-found' });
  });

  it('tells what is damaged', async (t) => {
    const root = await temporaryFolder(t);
    const store = new AvatarStore(root);
    await writeAvatar(root, 'short', 1);
    await writeFile(path.join(root, 'short', FRAMES_FILE), 'too little');
    await assert.rejects(store.get('short'), {
      code: 'avatar-not-found',
      message: /frames\.i420 has 10 bytes, not 36/,
    });
    await writeAvatar(root, 'bare', 1);
    await rm(path.join(root, 'bare', LANDMARKS_FILE));
    await assert.rejects(store.get('bare'), { message: /landmarks\.f32 has no bytes/ });
    await writeAvatar(root, 'odd', 1);
    await writeFile(path.join(root, 'odd', MANIFEST_FILE), '{');
    await assert.rejects(store.get('odd'), { message: /not JSON/ });
  });

  it('never leaves its folder', async (t) => {
    const store = new AvatarStore(await temporaryFolder(t));
    for (const id of ['..', '../x', '/etc', '.making-1']) {
      await assert.rejects(store.get(id), { code: 'invalid-argument' });
      await assert.rejects(store.delete(id), { code: 'invalid-argument' });
      assert.throws(() => store.previewPath(id), { code: 'invalid-argument' });
    }
  });

  it('sweeps what dead processes left, not what is being made', async (t) => {
    const root = await temporaryFolder(t);
    const store = new AvatarStore(root);
    await writeAvatar(root, 'whole', 1);
    await mkdir(path.join(root, `${HIDDEN_PREFIX}${process.pid}-from-an-earlier-life`));
    await mkdir(path.join(root, `${HIDDEN_PREFIX}999999999-dead`));
    await mkdir(path.join(root, `${HIDDEN_PREFIX}${process.ppid}-alive`));
    const workspace = await Workspace.create(root, 'coming');
    await store.sweep();
    assert.deepEqual(
      (await readdir(root)).sort(),
      [path.basename(workspace.folder), `${HIDDEN_PREFIX}${process.ppid}-alive`, 'whole'].sort(),
    );
    await workspace.close();
  });
});

describe('Workspace', () => {
  it('publishes at one stroke and refuses a taken name', async (t) => {
    const root = await temporaryFolder(t);
    const first = await Workspace.create(root, 'a');
    const second = await Workspace.create(root, 'a');
    await writeFile(first.file('x'), '1');
    await first.publish();
    await assert.rejects(second.publish(), { code: 'avatar-exists' });
    await first.close();
    await second.close();
    assert.deepEqual(await readdir(root), ['a']);
    assert.deepEqual(await readdir(path.join(root, 'a')), ['x']);
    await assert.rejects(Workspace.create(root, 'a'), { code: 'avatar-exists' });
  });
});
