import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { AvatarStore } from '../../src/avatar/store.js';
import { findFfmpeg, runFfmpeg } from '../../src/adapters/ffmpeg.js';
import { decodeAudio } from '../../src/audio/decode.js';
import { silentLog } from '../../src/lib/log.js';
import { makeMedia } from '../helpers/media.js';
import { makePortraitReference } from '../helpers/reference-folder.js';

/** The programs as a user runs them. */

let folder = '';
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'musecast-cli-'));
});
after(() => rm(folder, { recursive: true, force: true }));

function run(...args: string[]): Promise<{ code: number; stderr: string; stdout: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: 120_000 }, (error, stdout, stderr) => {
      resolve({
        code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1,
        stdout,
        stderr,
      });
    });
  });
}

const demo = (name: string) => path.join('web', 'public', 'demo', name);
const render = (...flags: string[]) => run('dist/src/cli/render.js', ...flags);

test('a wrong command line: one line a problem and exit status 2', async () => {
  const { code, stderr } = await run('dist/src/main.js', '--port', 'x', '--colour');
  assert.equal(code, 2);
  assert.equal(stderr.trim().split('\n').length, 2, stderr);
});

test('render makes a film whose sound and picture last equally long', async () => {
  const out = path.join(folder, 'hello.mp4');
  const { code, stderr } = await render(
    '--source',
    demo('portrait.jpg'),
    '--audio',
    demo('speech.wav'),
    '--out',
    out,
  );
  assert.equal(code, 0, stderr);
  assert.match(stderr, /rendering .*100 %/);
  const ffmpeg = await findFfmpeg({ log: silentLog });
  let soundSamples = 0;
  for await (const pcm of decodeAudio(ffmpeg, out, {})) soundSamples += pcm.length / 2;
  const gray = runFfmpeg(ffmpeg, [
    '-i',
    out,
    '-vf',
    'scale=8:8',
    '-f',
    'rawvideo',
    '-pix_fmt',
    'gray',
    'pipe:1',
  ]);
  let bytes = 0;
  for await (const chunk of gray.stdout) bytes += (chunk as Buffer).length;
  await gray.done;
  const pictureMs = (bytes / 64) * 40;
  assert.ok(pictureMs > 11_000, `${pictureMs} ms of pictures`);
  // AAC works in blocks of 1024 samples: up to two of them more or less.
  assert.ok(
    Math.abs(soundSamples / 48 - pictureMs) < 85,
    `${soundSamples / 48} ms of sound, ${pictureMs} ms of pictures`,
  );
});

test('render refuses what it cannot use, and leaves no file', async () => {
  const text = path.join(folder, 'text.wav');
  await writeFile(text, 'not a sound');
  const out = path.join(folder, 'none.mp4');
  const bad = await render('--source', demo('portrait.jpg'), '--audio', text, '--out', out);
  assert.equal(bad.code, 1);
  assert.ok(bad.stderr.trim().length > 10);
  const noAvatar = await render(
    '--source',
    'nobody',
    '--audio',
    demo('speech.wav'),
    '--out',
    out,
    '--data-dir',
    folder,
  );
  assert.equal(noAvatar.code, 1);
  assert.match(noAvatar.stderr, /nobody/);
  assert.equal((await render('--source', 'x')).code, 2);
  assert.equal(existsSync(out), false);
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.includes('none')),
    [],
  );
});

test('import takes over what the reference prepared; the avatar can be rendered at once', async () => {
  const dataDir = path.join(folder, 'data');
  const prepared = path.join(folder, 'anna');
  await makePortraitReference(prepared);
  const importing = (...flags: string[]) => run('dist/src/cli/import.js', '--data-dir', dataDir, ...flags);
  const { code, stderr } = await importing('--folder', prepared, '--id=anna');
  assert.equal(code, 0, stderr);
  assert.match(stderr, /importing .* 100 %/);
  assert.match(stderr, /avatar anna: 2 pictures of 512x600 pixels/);
  assert.equal((await new AvatarStore(path.join(dataDir, 'avatars')).get('anna')).fps, 25);

  const sound = path.join(folder, 'short.wav');
  await makeMedia(['-t', '0.4', '-i', demo('speech.wav'), sound]);
  const out = path.join(folder, 'anna.mp4');
  const film = await render('--source', 'anna', '--audio', sound, '--out', out, '--data-dir', dataDir);
  assert.equal(film.code, 0, film.stderr);
  assert.ok(existsSync(out));

  const refusals: [string[], number, RegExp][] = [
    [['--folder', prepared, '--id', 'anna'], 1, /there is an avatar anna already/],
    [['--folder', path.join(folder, 'nothing'), '--id', 'b'], 1, /there is no folder nothing/],
    [['--folder', path.join(prepared, 'mask'), '--id', 'b'], 1, /no avator_info\.json in mask/],
    [['--folder', sound, '--id', 'b'], 1, /short\.wav is a file, not a folder/],
    [['--folder', prepared], 2, /usage: npm run import/],
    [['--folder', prepared, '--id', '../b'], 2, /avatar id/],
    [['--folder', prepared, '--id', 'b', '--colour', 'red'], 2, /--colour/],
  ];
  for (const [flags, status, sentence] of refusals) {
    const refused = await importing(...flags);
    assert.equal(refused.code, status, refused.stderr);
    assert.match(refused.stderr, sentence);
    // Each unknown word of a command line has a line of its own.
    assert.ok(refused.stderr.trim().split('\n').length <= 2, refused.stderr);
  }
  assert.deepEqual(await readdir(path.join(dataDir, 'avatars')), ['anna']);
});

test('render takes folders as footage, unless one has the name of an avatar', async () => {
  const pictures = path.join(folder, 'pictures');
  await mkdir(pictures);
  await makeMedia(['-i', demo('portrait.jpg'), path.join(pictures, '1.png')]);
  const sound = path.join(folder, 'word.wav');
  await makeMedia(['-t', '0.4', '-i', demo('speech.wav'), sound]);
  for (const source of [pictures, path.join(folder, 'anna')]) {
    const out = path.join(folder, `${path.basename(source)}-film.mp4`);
    const { code, stderr } = await render('--source', source, '--audio', sound, '--out', out);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /preparing .* 100 %/);
    assert.ok(existsSync(out));
  }
  const empty = await render('--source', path.join(folder, 'data'), '--audio', sound, '--out', 'x.mp4');
  assert.equal(empty.code, 1);
  assert.match(empty.stderr, /data is a directory without a file that ends in \.png/);
});
