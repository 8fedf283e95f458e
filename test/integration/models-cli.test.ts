import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { askedRange, noise, serve, startServer, type Handler } from '../helpers/file-server.js';
import { temporaryFolder } from '../helpers/media.js';

/** `npm run models` as a user runs it, with a small manifest and a hub on this machine. */

const STUBS = 'test/fixtures/musetalk/stubs';
const ENCODER = await readFile(path.join(STUBS, 'vae_encoder.onnx'));
const WEIGHTS = noise(100_000);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const hub = (name: string) => ({ repo: 'some/models', revision: 'main', path: name });
const image = { image: { dims: ['batch', 3, 256, 256], dtype: 'float32' } };
const latents = { latents: { dims: ['batch', 4, 32, 32], dtype: 'float32' } };
const MANIFEST = {
  models: [],
  checksums: 'of this test',
  roles: {
    encoder: { about: 'x', stems: ['vae_encoder'], inputs: image, outputs: latents },
    decoder: { about: 'x', stems: ['vae_decoder'], inputs: latents, outputs: image },
  },
  sets: {
    small: {
      about: 'for this test',
      folder: 'small',
      files: [
        {
          role: 'weights',
          required: true,
          file: 'torch/weights.pth',
          source: hub('weights.pth'),
          sizeBytes: WEIGHTS.length,
          sha256: sha256(WEIGHTS),
          licence: 'MIT',
        },
        {
          role: 'encoder',
          required: true,
          file: 'vae_encoder.onnx',
          source: hub('vae_encoder.onnx'),
          unverified: true,
          licence: 'see source',
        },
        {
          role: 'decoder',
          required: false,
          file: 'vae_decoder.onnx',
          source: { none: 'export it yourself' },
          unverified: true,
          licence: 'MIT',
        },
      ],
    },
  },
};

/** What the hub of these tests has; `/flat/` is a mirror with another layout. */
const FILES: Record<string, Buffer> = {
  '/some/models/resolve/main/weights.pth': WEIGHTS,
  '/some/models/resolve/main/vae_encoder.onnx': ENCODER,
  '/flat/torch/weights.pth': WEIGHTS,
  '/flat/vae_encoder.onnx': ENCODER,
};

async function setUp(t: TestContext, handler?: Handler) {
  const folder = await temporaryFolder(t);
  const manifestFile = path.join(folder, 'manifest.json');
  await writeFile(manifestFile, JSON.stringify(MANIFEST));
  const asked: { url: string; token: string | undefined }[] = [];
  const base = await startServer(t, (request, response) => {
    asked.push({ url: request.url ?? '', token: request.headers.authorization });
    if (handler !== undefined) return handler(request, response);
    const bytes = FILES[request.url ?? ''];
    if (bytes === undefined) response.writeHead(404).end();
    else serve(request, response, bytes);
  });
  const run = (args: readonly string[], env: Record<string, string> = {}) =>
    models(t, [...args, '--manifest', manifestFile, '--models-dir', folder], {
      MUSECAST_MODEL_MIRROR: base,
      ...env,
    });
  return { folder, base, asked, run, set: path.join(folder, 'small') };
}

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(t: TestContext, args: readonly string[], env: Record<string, string>) {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(MUSECAST_|HF_TOKEN$)/.test(name));
  const child = spawn(process.execPath, ['dist/src/cli/models.js', ...args], {
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code) => resolve({ code, out, err }));
  });
  return { child, ended };
}

const models = (t: TestContext, args: readonly string[], env: Record<string, string>): Promise<Ended> =>
  start(t, args, env).ended;

test('download, list, verify, and download again', async (t) => {
  const { run, set, asked } = await setUp(t);
  const before = await run(['list', 'small']);
  assert.equal(before.code, 0, before.err);
  assert.match(before.out, /weights +torch\/weights.pth +100 kB +missing +MIT/);
  assert.match(before.out, /decoder \(optional\) +vae_decoder.onnx +\? +missing, no source +MIT/);
  assert.equal((await run(['verify', 'small'])).code, 1);

  const got = await run(['download', 'small']);
  assert.equal(got.code, 0, got.err);
  assert.match(got.out, new RegExp(`torch/weights.pth: verified \\(100 kB, sha256 ${sha256(WEIGHTS)}\\)`));
  assert.match(got.out, /vae_encoder.onnx: no checksum to compare with; run verify/);
  assert.match(got.out, /vae_decoder.onnx: export it yourself \(optional\)/);
  assert.match(got.err, /\[1\/2\] torch\/weights.pth {2}\[#{24}\] 100 % of 100 kB .* all: 100 kB of 100 kB/);
  assert.ok((await readFile(path.join(set, 'torch/weights.pth'))).equals(WEIGHTS));
  assert.ok(asked.every(({ url }) => !url.includes('decoder')));

  const after = await run(['list', 'small']);
  assert.match(after.out, /weights .* verified +MIT/);
  assert.match(after.out, /encoder .* present +see source/);
  const verified = await run(['verify', 'small']);
  assert.equal(verified.code, 0, verified.err);
  assert.match(verified.out, /ok {2}weights: torch\/weights.pth: verified/);
  assert.match(
    verified.out,
    new RegExp(`ok {2}encoder: vae_encoder.onnx: inputs and outputs fit; .*sha256 ${sha256(ENCODER)}`),
  );
  assert.match(verified.out, /ok {2}decoder: vae_decoder.onnx: missing \(optional\)/);

  asked.length = 0;
  const again = await run(['download', 'small']);
  assert.equal(again.code, 0, again.err);
  assert.match(again.out, /weights.pth: already here, verified/);
  assert.deepEqual(asked, []);
});

test('verify tells damage, wrong graphs, web pages and broken graphs apart', async (t) => {
  const { run, set } = await setUp(t);
  await mkdir(path.join(set, 'torch'), { recursive: true });
  const damaged = Buffer.from(WEIGHTS);
  damaged[5]! ^= 1;
  await writeFile(path.join(set, 'torch/weights.pth'), damaged);
  await copyFile(path.join(STUBS, 'vae_decoder.onnx'), path.join(set, 'vae_encoder.onnx'));
  await writeFile(path.join(set, 'vae_decoder.onnx'), '<!doctype html><title>Sign in</title>');
  const bad = await run(['verify', 'small']);
  assert.equal(bad.code, 1);
  assert.match(bad.err, /BAD weights: torch\/weights.pth: has the sha256 [0-9a-f]{64}, not/);
  assert.match(bad.err, /BAD encoder: vae_encoder.onnx: it has the inputs latents, but not image/);
  assert.match(bad.err, /BAD decoder: vae_decoder.onnx: holds a web page/);
  assert.match(bad.err, /3 of 3 files in .* are missing or wrong/);

  await writeFile(path.join(set, 'torch/weights.pth'), WEIGHTS.subarray(1));
  await writeFile(path.join(set, 'vae_encoder.onnx'), ENCODER.subarray(0, 200));
  const short = await run(['verify', 'small']);
  assert.match(short.err, /BAD weights: torch\/weights.pth: has 99999 bytes instead of 100000/);
  assert.match(short.err, /BAD encoder: vae_encoder.onnx: cannot load the model/);
  assert.match((await run(['list'])).out, /weights .* wrong size +MIT/);
});

test('a file under another accepted name counts', async (t) => {
  const { run, set } = await setUp(t);
  await run(['download', 'small']);
  await rename(path.join(set, 'vae_encoder.onnx'), path.join(set, 'musetalk_vae_encoder_fp16.onnx'));
  assert.match((await run(['list'])).out, /encoder .* present as musetalk_vae_encoder_fp16.onnx/);
  assert.equal((await run(['verify', 'small'])).code, 0);
});

test("a user's own file is left alone unless forced", async (t) => {
  const { run, set } = await setUp(t);
  await mkdir(path.join(set, 'torch'), { recursive: true });
  await writeFile(path.join(set, 'torch/weights.pth'), 'mine');
  const kept = await run(['download', 'small', '--only', 'weights']);
  assert.equal(kept.code, 1);
  assert.match(kept.err, /weights.pth: already here with other contents .*--force/);
  assert.equal(await readFile(path.join(set, 'torch/weights.pth'), 'utf8'), 'mine');
  const forced = await run(['download', 'small', '--only', 'weights', '--force']);
  assert.equal(forced.code, 0, forced.err);
  assert.ok((await readFile(path.join(set, 'torch/weights.pth'))).equals(WEIGHTS));
  assert.deepEqual((await readdir(set)).sort(), ['.checksums.json', 'torch']);
});

test('mirrors: flat layout, folders, and the flag before the environment', async (t) => {
  const { run, set, base, folder } = await setUp(t);
  const dir = path.join(folder, 'elsewhere');
  const flat = await run(['download', 'small', '--mirror', `${base}/flat/`, '--dir', dir], {
    MUSECAST_MODEL_MIRROR: 'http://127.0.0.1:9',
  });
  assert.equal(flat.code, 0, flat.err);
  assert.ok((await readFile(path.join(dir, 'torch/weights.pth'))).equals(WEIGHTS));
  const copied = await run(['download', 'small', '--mirror', pathToFileURL(dir).href]);
  assert.equal(copied.code, 0, copied.err);
  assert.ok((await readFile(path.join(set, 'vae_encoder.onnx'))).equals(ENCODER));
});

test('the token comes from the environment and is told to nobody', async (t) => {
  const { run, asked } = await setUp(t, (request, response) => {
    const bytes = FILES[request.url ?? ''];
    if (request.headers.authorization !== 'Bearer right' || bytes === undefined)
      response.writeHead(401).end();
    else serve(request, response, bytes);
  });
  const without = await run(['download', 'small']);
  assert.equal(without.code, 1);
  assert.match(without.err, /weights.pth answered 401: it asks for a token/);
  const wrong = await run(['download', 'small'], { HF_TOKEN: 'wrong-secret' });
  assert.match(wrong.err, /the token in MUSECAST_HF_TOKEN or HF_TOKEN is not accepted/);
  assert.ok(!`${wrong.err}${wrong.out}`.includes('wrong-secret'));
  asked.length = 0;
  const right = await run(['download', 'small'], { HF_TOKEN: 'wrong-secret', MUSECAST_HF_TOKEN: 'right' });
  assert.equal(right.code, 0, right.err);
  assert.ok(asked.every(({ token }) => token === 'Bearer right'));
});

test('a failure is one line and exit status 1; the other files still come', async (t) => {
  const { run, set } = await setUp(t, (request, response) => {
    if (request.url?.endsWith('weights.pth')) serve(request, response, noise(WEIGHTS.length, 2));
    else serve(request, response, ENCODER);
  });
  const { code, err } = await run(['download', 'small']);
  assert.equal(code, 1);
  assert.match(err, /^torch\/weights.pth: weights.pth arrived with other contents than expected .*\.bad/m);
  assert.ok((await readFile(path.join(set, 'vae_encoder.onnx'))).equals(ENCODER));
  assert.match((await run(['list'])).out, /weights .* missing/);
});

test('Ctrl-C leaves a part, and the same command goes on from there', async (t) => {
  let slow = true;
  let sent = 0;
  const { run, folder, base, set } = await setUp(t, (request, response) => {
    const [start, end] = askedRange(request) ?? [0, 0];
    if (!slow || end === 512) {
      sent += Math.min(end, WEIGHTS.length) - start;
      return serve(request, response, WEIGHTS);
    }
    response.writeHead(206, {
      etag: '"v1"',
      'content-range': `bytes ${start}-${end - 1}/${WEIGHTS.length}`,
      'content-length': end - start,
    });
    let at = start;
    const drip = setInterval(() => response.write(WEIGHTS.subarray(at, (at += 1000))), 20);
    response.once('close', () => clearInterval(drip));
  });
  const args = ['download', 'small', '--only', 'weights', '--models-dir', folder];
  const { child, ended } = start(t, [...args, '--manifest', path.join(folder, 'manifest.json')], {
    MUSECAST_MODEL_MIRROR: base,
  });
  // A second line of progress: something has arrived.
  await new Promise<void>((resolve) => {
    let lines = 0;
    child.stderr.on('data', (text: string) => {
      lines += text.split('\n').length - 1;
      if (lines >= 2) resolve();
    });
  });
  child.kill('SIGINT');
  const stopped = await ended;
  assert.equal(stopped.code, 1);
  assert.match(stopped.err, /stopped; run the same command again to go on\n$/);
  assert.match((await run(['list'])).out, /weights .* partly here/);
  const { done } = JSON.parse(await readFile(path.join(set, 'torch/weights.pth.part.json'), 'utf8')) as {
    done: number[];
  };
  assert.ok(done[0]! > 0);
  slow = false;
  sent = 0;
  const rest = await run(args);
  assert.equal(rest.code, 0, rest.err);
  assert.equal(sent, 512 + WEIGHTS.length - done[0]!);
  assert.ok((await readFile(path.join(set, 'torch/weights.pth'))).equals(WEIGHTS));
});

test('a wrong command line: exit status 2 and a sentence', async (t) => {
  const { run } = await setUp(t);
  for (const [args, words] of [
    [[], /usage: npm run models/],
    [['fetch'], /there is no verb fetch/],
    [['download', 'big'], /there is no set big; there are small/],
    [['download', 'small', '--only', 'ear'], /has no role ear; it has weights, encoder, decoder/],
    [['download', 'small', '--mirror', 'ftp://x'], /the mirror must be an http, https or file address/],
    [['download', 'small', 'other'], /one set at a time/],
    [['list', '--colour'], /Unknown option '--colour'/],
  ] as const) {
    const { code, err } = await run(args);
    assert.equal(code, 2, `${args.join(' ')}: ${err}`);
    assert.match(err, words);
  }
  const help = await run(['--help']);
  assert.equal(help.code, 0);
  assert.match(help.out, /usage: npm run models/);
});

test('a manifest that is none: exit status 1 and a sentence', async (t) => {
  const { run, folder } = await setUp(t);
  await writeFile(path.join(folder, 'manifest.json'), '{}');
  const { code, err } = await run(['list']);
  assert.equal(code, 1);
  assert.match(err, /manifest.json is not a model manifest: models: /);
});
