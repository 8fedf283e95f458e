import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { installCuda } from '../../../src/cli/cuda.js';
import { isAppError } from '../../../src/errors.js';
import { temporaryFolder } from '../../helpers/media.js';

const LIBRARY = 'bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so';

/** A package whose install script is `script`. */
async function packageWith(t: TestContext, script: string): Promise<string> {
  const folder = await temporaryFolder(t);
  await mkdir(path.join(folder, 'script'));
  await writeFile(path.join(folder, 'script', 'install.js'), script);
  return folder;
}

test("the package's own script runs with the flag for CUDA 12, whatever the user's environment says", async (t) => {
  const packageDir = await packageWith(
    t,
    `const fs = require('fs');
     fs.mkdirSync('bin/napi-v6/linux/x64', { recursive: true });
     fs.writeFileSync('${LIBRARY}', process.env.ONNXRUNTIME_NODE_INSTALL + ' ' + process.env.KEPT);`,
  );
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip', KEPT: 'yes' };
  const library = installCuda({ env, platform: 'linux/x64', packageDir });
  assert.equal(library, path.join(packageDir, LIBRARY));
  assert.equal(await readFile(library, 'utf8'), 'cuda12 yes');
});

test('a script that fails, or leaves no library: one sentence with its own words', async (t) => {
  const failing = await packageWith(
    t,
    `void Promise.reject(new Error('getaddrinfo ENOTFOUND api.nuget.org'));`,
  );
  assert.throws(
    () => installCuda({ env: process.env, platform: 'linux/x64', packageDir: failing }),
    (error) =>
      isAppError(error, 'not-supported') &&
      /^the CUDA libraries were not installed: .*ENOTFOUND api.nuget.org; [^\n]*$/.test(error.message),
  );
  const idle = await packageWith(t, '');
  assert.throws(
    () => installCuda({ env: process.env, platform: 'linux/x64', packageDir: idle }),
    (error) => isAppError(error, 'not-supported') && /the script ended with 0;/.test(error.message),
  );
});

test('where there are no CUDA libraries nothing is run', () => {
  assert.throws(
    () => installCuda({ env: {}, platform: 'darwin/arm64' }),
    (error) => isAppError(error, 'not-supported') && /linux\/x64 only, .*darwin\/arm64/.test(error.message),
  );
});

test('the installed package still takes the flag that is set', async () => {
  const script = await readFile('node_modules/onnxruntime-node/script/install-utils.js', 'utf8');
  assert.ok(script.includes('process.env.ONNXRUNTIME_NODE_INSTALL'));
  const metadata = await readFile('node_modules/onnxruntime-node/script/install-metadata.js', 'utf8');
  assert.ok(metadata.includes("'linux/x64:cuda12'") && metadata.includes('libonnxruntime_providers_cuda.so'));
});
