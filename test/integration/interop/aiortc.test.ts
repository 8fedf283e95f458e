import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { AIORTC_MISSING, findAiortc } from '../../helpers/aiortc.js';
import { postJsonTo, startTestServer, type TestServer } from '../../helpers/server.js';

const PLAYER = 'test/integration/interop/aiortc-player.py';
const aiortc = await findAiortc();

interface Seen {
  readonly post: number;
  readonly delete: number;
  readonly ended: boolean;
  readonly pictures: number;
  readonly seconds: number;
  readonly width: number;
  readonly height: number;
  readonly sounds: number;
  readonly peak: number;
}

describe('aiortc', { skip: aiortc === undefined ? AIORTC_MISSING : false }, () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server?.close());

  test('decodes pictures and sound in real time, and is told when DELETE ends it', async () => {
    const { json } = await postJsonTo(server, '/v1/sessions', { avatar: 'demo', audio: { demo: true } });
    const { stdout, stderr } = await promisify(execFile)(aiortc?.python ?? '', [
      PLAYER,
      `${server.url}/whep/${String(json['id'])}`,
      '75',
    ]);
    const seen = JSON.parse(stdout) as Seen;
    const said = `${stdout}${stderr}`;
    assert.equal(seen.post, 201, said);
    assert.ok(seen.pictures >= 75, said);
    assert.deepEqual([seen.width, seen.height], [512, 600]);
    const picturesPerSecond = seen.pictures / seen.seconds;
    assert.ok(picturesPerSecond > 20 && picturesPerSecond < 30, said);
    assert.ok(seen.sounds > 100 && seen.peak > 1000, said);
    assert.equal(seen.delete, 200, said);
    assert.equal(seen.ended, true, said);
  });
});
