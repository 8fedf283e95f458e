// What `npm start` and `npm test` run on a fresh checkout: plain JavaScript, no dependency, because nothing is
// installed or built yet. Each step is skipped when its inputs have not changed since it last succeeded.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const say = (text) => process.stderr.write(`${text}\n`);

function fail(text) {
  say(text);
  process.exit(1);
}

function run(command, args, options = {}) {
  return spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], ...options }).status === 0;
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    fail(`Musecast needs Node 20.19 or newer; this is ${process.version}.`);
}

// Content for the lock file (checkouts touch times), size and time for sources (there are many).
const hashOf = (text) => createHash('sha256').update(text).digest('hex');

function fingerprint(folders, files) {
  const entries = [];
  const walk = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.name === 'node_modules' || entry.name === 'dist') continue;
      const file = path.join(folder, entry.name);
      if (entry.isDirectory()) walk(file);
      else note(file);
    }
  };
  const note = (file) => {
    const { size, mtimeMs } = statSync(file);
    entries.push(`${file} ${size} ${mtimeMs}`);
  };
  folders
    .map((folder) => path.join(root, folder))
    .filter(existsSync)
    .forEach(walk);
  files
    .map((file) => path.join(root, file))
    .filter(existsSync)
    .forEach(note);
  return hashOf(entries.sort().join('\n'));
}

function once(stampFile, key, step) {
  const stamp = path.join(root, stampFile);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return;
  step();
  mkdirSync(path.dirname(stamp), { recursive: true });
  writeFileSync(stamp, key);
}

function install() {
  once('node_modules/.musecast-installed', hashOf(readFileSync(path.join(root, 'package-lock.json'))), () => {
    say('Installing packages (npm ci) ...');
    if (!run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']))
      fail('npm ci failed; see its words above.');
    fetchExtras();
  });
}

// A current ffmpeg. Needs a host that a closed network lacks, so a failure is no failure.
function fetchExtras() {
  const script = path.join(root, 'node_modules/ffmpeg-static/install.js');
  if (!existsSync(script) || spawnSync('ffmpeg', ['-version'], { stdio: 'ignore' }).status === 0) return;
  say('Fetching a current ffmpeg (optional) ...');
  const ok =
    spawnSync(process.execPath, [script], { cwd: path.dirname(script), stdio: 'ignore', timeout: 60_000 })
      .status === 0;
  if (!ok) say('  not reachable; the older build inside @ffmpeg-installer is used instead.');
}

function build() {
  const key = fingerprint(['src', 'signaling', 'test', 'web'], ['package-lock.json', 'tsconfig.json']);
  once('dist/.musecast-built', key, () => {
    say('Building ...');
    if (!run('npm', ['run', '--silent', 'build'])) fail('The build failed; see its words above.');
  });
}

function ensureChromium() {
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  if (
    process.env.CHROMIUM_BIN ||
    names.some((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0)
  )
    return;
  if (process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    say("Installing Chromium from Debian's packages for the browser tests ...");
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    if (
      run('apt-get', ['update', '-q'], { env }) &&
      run('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'chromium'], { env })
    )
      return;
  }
  say(
    'Chromium is missing: the browser tests will be skipped. Install it (Debian: apt-get install chromium) or set CHROMIUM_BIN.',
  );
}

// The export tools are Python with torch, 0.9 GB from PyPI: worth it in CI, and for who asks for it by making the venv.
function ensureExportTools() {
  if (process.env.CI !== 'true' || process.env.MUSECAST_EXPORT_PYTHON) return;
  say('Installing the export tools (Python, torch) for their tests ...');
  if (!run('bash', ['models/export/make_venv.sh']))
    say('  not to be had here: the export tests will be skipped.');
}

function testFiles(folder) {
  const found = [];
  const walk = (at) => {
    for (const entry of readdirSync(at, { withFileTypes: true })) {
      const file = path.join(at, entry.name);
      if (entry.isDirectory()) walk(file);
      else if (entry.name.endsWith('.test.js')) found.push(path.relative(root, file));
    }
  };
  const top = path.join(root, 'dist/test', folder);
  if (existsSync(top)) walk(top);
  return found.sort();
}

// Unit tests share the cores; tests that start servers, encoders and browsers run one after another.
function test() {
  ensureChromium();
  ensureExportTools();
  const pass = (files, concurrency) =>
    spawnSync(
      process.execPath,
      ['--test', `--test-concurrency=${concurrency}`, '--test-timeout=240000', ...files],
      { cwd: root, stdio: 'inherit' },
    ).status === 0;
  const unit = pass(['dist/test/architecture.test.js', ...testFiles('unit')], 2);
  const whole = pass([...testFiles('integration'), ...testFiles('e2e')], 1);
  process.exit(unit && whole ? 0 : 1);
}

const [verb = 'start', ...rest] = process.argv.slice(2);
checkNode();
install();
build();
if (verb === 'test') test();
else {
  const entries = {
    start: 'dist/src/main.js',
    render: 'dist/src/cli/render.js',
    import: 'dist/src/cli/import.js',
    models: 'dist/src/cli/models.js',
    conformance: 'dist/src/cli/conformance.js',
  };
  const entry = entries[verb] ?? verb;
  process.argv.splice(1, 2, path.join(root, entry));
  process.argv.length = 2;
  process.argv.push(...rest);
  await import(pathToFileURL(path.join(root, entry)).href);
}
