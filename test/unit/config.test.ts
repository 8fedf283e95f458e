import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { OPTIONS } from '../../src/config-options.js';
import { ConfigError, helpText, readConfig } from '../../src/config.js';

function problemsOf(argv: string[], env: Record<string, string> = {}): readonly string[] {
  try {
    readConfig(argv, env);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
  return [];
}

test('defaults', () => {
  const config = readConfig([], {});
  assert.equal(config.host, '0.0.0.0');
  assert.equal(config.port, 5000);
  assert.equal(config.dataDir, path.resolve('data'));
  assert.deepEqual(config.mediaRoots, [process.cwd(), path.resolve('data')]);
  assert.ok(config.workers >= 1);
});

test('a flag wins over the environment, the environment over the default', () => {
  assert.equal(readConfig([], { MUSECAST_PORT: '6000' }).port, 6000);
  assert.equal(readConfig(['--port', '7000'], { MUSECAST_PORT: '6000' }).port, 7000);
  assert.equal(readConfig(['--port=7001'], {}).port, 7001);
});

test('media roots repeat and resolve', () => {
  assert.deepEqual(readConfig(['--media-root', '/a', '--media-root', 'b'], {}).mediaRoots, [
    '/a',
    path.resolve('b'),
  ]);
});

test('legacy flags keep their names', () => {
  const config = readConfig(
    ['--reload', '--gpu_id', '1', '--unet_model_path', 'u.onnx', '--whisper_dir', 'w'],
    {},
  );
  assert.deepEqual(
    [config.reload, config.gpuId, config.unetModelPath, config.whisperDir],
    [true, 1, 'u.onnx', 'w'],
  );
});

test("the MuseTalk script's flags keep their names and defaults", () => {
  const {
    version,
    bboxShift,
    extraMargin,
    parsingMode,
    leftCheekWidth,
    rightCheekWidth,
    audioPaddingLeft,
    audioPaddingRight,
    fps,
  } = readConfig([], {});
  assert.deepEqual(
    [version, bboxShift, extraMargin, parsingMode, leftCheekWidth, rightCheekWidth],
    ['v15', 0, 10, 'jaw', 90, 90],
  );
  assert.deepEqual([audioPaddingLeft, audioPaddingRight, fps], [2, 2, 25]);
  assert.equal(readConfig(['--version', 'v1', '--bbox_shift', '-7'], {}).bboxShift, -7);
  assert.equal(readConfig(['--unet_config', 'musetalk.json', '--skip_save_images'], {}).version, 'v15');
  assert.deepEqual(readConfig(['--box-smoothing', 'false'], {}).boxSmoothing, false);
  assert.equal(problemsOf(['--parsing_mode', 'nose', '--version', 'v2']).length, 2);
  assert.match(
    problemsOf(['--audio_padding_length_left', '4']).join(),
    /^--audio_padding_length_left: must be 4 together/,
  );
});

test('--ffmpeg_path is a folder or a program, and --ffmpeg wins over it', () => {
  assert.equal(readConfig(['--ffmpeg_path', 'src'], {}).ffmpegBin, path.join('src', 'ffmpeg'));
  assert.equal(readConfig(['--ffmpeg_path', '/opt/ffmpeg-7'], {}).ffmpegBin, '/opt/ffmpeg-7');
  assert.equal(readConfig(['--ffmpeg_path', 'src'], { FFMPEG_BIN: 'mine' }).ffmpegBin, 'mine');
});

test('sender threads need a port each', () => {
  assert.equal(readConfig([], {}).senders, 0);
  assert.equal(readConfig(['--senders', '2', '--ice-port-range', '40000-40002'], {}).senders, 2);
  assert.match(
    problemsOf(['--senders', '2', '--ice-port-range', '40000-40001']).join(),
    /^--senders: needs an --ice-port-range/,
  );
});

test('every problem is told, one line each', () => {
  const problems = problemsOf(['--port', 'many', '--colour', '--workers', '0']);
  assert.equal(problems.length, 3);
  assert.ok(problems.some((line) => line.includes('--colour')));
  assert.ok(problems.some((line) => line.startsWith('--port') && line.includes('many')));
  assert.ok(problems.some((line) => line.startsWith('--workers')));
  assert.deepEqual(problemsOf(['--port']), ['--port: needs a value']);
  assert.equal(problemsOf([], { MUSECAST_LOG_LEVEL: 'loud' }).length, 1);
});

test("README's table and --help name every option with its variable and default", () => {
  const readme = readFileSync('README.md', 'utf8');
  for (const { flag, env, defaultText } of OPTIONS) {
    const row = readme.split('\n').find((line) => line.startsWith(`| \`${flag}\``));
    assert.ok(row, `README has no row for ${flag}`);
    assert.ok(
      row.includes(`\`${env}\``) && row.includes(defaultText),
      `README's row for ${flag} differs: ${row}`,
    );
    assert.ok(helpText().includes(flag));
  }
});

test('ICE servers and tokens: lists with commas in the environment, which their values may hold colons in', () => {
  const env = {
    MUSECAST_ICE_SERVERS: 'stun:a:3478,turn:b:3478?transport=udp',
    MUSECAST_TURN_SECRET: 'north',
    MUSECAST_AUTH_TOKENS: 'first-token,second-token',
  };
  const config = readConfig(['--whep-lenient', '--whep-redirect', 'https://other/cast'], env);
  assert.deepEqual(config.iceServers, ['stun:a:3478', 'turn:b:3478?transport=udp']);
  assert.deepEqual(config.authTokens, ['first-token', 'second-token']);
  assert.deepEqual(
    [config.turnSecret, config.turnTtlS, config.whepLenient, config.whepRedirect],
    ['north', 86_400, true, 'https://other/cast'],
  );
});

test('what would not work for any player is refused, and no secret is repeated', () => {
  assert.match(problemsOf(['--ice-server', 'turn:b:3478']).join(), /needs --turn-secret/);
  assert.match(problemsOf(['--ice-server', 'http://b']).join(), /^--ice-server: must be stun:/);
  assert.match(problemsOf(['--turn-username', 'u']).join(), /goes together with --turn-credential/);
  assert.match(problemsOf(['--viewer-token', 'viewer-token']).join(), /needs an --auth-token/);
  assert.match(problemsOf(['--whep-redirect', 'ftp://b']).join(), /http\(s\) URL/);
  const [problem = ''] = problemsOf(['--auth-token', 'hush hush hush']);
  assert.match(problem, /^--auth-token: must be at least 8/);
  assert.doesNotMatch(problem, /hush/);
});
