import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { FaceServer } from '../helpers/face-server.js';
import { makeMedia } from '../helpers/media.js';
import { greenness, meanColours } from '../helpers/mjpeg.js';
import { STUBS_FOLDER } from '../helpers/musetalk-stubs.js';
import { onnxGraph } from '../helpers/onnx-graph.js';
import { assertSentence, startRefused, startTestServer, until } from '../helpers/server.js';

/** The second family of networks, end to end: a stand-in file as users have it, the real server, its own avatar. */

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'musecast-wav2lip-'));
});
after(() => rm(folder, { recursive: true, force: true }));

/** Faces that are green, and the brighter the louder the sound: mel -4 (silence) gives 0.5, 0 gives 0.9. */
function greenFaces(): Uint8Array {
  return onnxGraph({
    inputs: [
      { name: 'mel_spectrogram', dims: ['batch', 1, 80, 16] },
      { name: 'video_frames', dims: ['batch', 6, 96, 96] },
    ],
    outputs: [{ name: 'predicted_frames', dims: ['batch', 3, 96, 96] }],
    nodes: [
      {
        type: 'ReduceMean',
        inputs: ['mel_spectrogram'],
        outputs: ['level'],
        attributes: { axes: [1, 2, 3], keepdims: 1 },
      },
      { type: 'Mul', inputs: ['level', 'tenth'], outputs: ['swing'] },
      { type: 'Add', inputs: ['swing', 'light'], outputs: ['brightness'] },
      { type: 'Conv', inputs: ['video_frames', 'nothing', 'green'], outputs: ['painted'] },
      { type: 'Mul', inputs: ['painted', 'brightness'], outputs: ['bright'] },
      { type: 'Clip', inputs: ['bright', 'nought', 'one'], outputs: ['predicted_frames'] },
    ],
    initializers: [
      { name: 'tenth', dims: [], data: [0.1] },
      { name: 'light', dims: [], data: [0.9] },
      { name: 'nothing', dims: [3, 6, 1, 1], data: new Float32Array(18) },
      { name: 'green', dims: [3], data: [0, 1, 0] },
      { name: 'nought', dims: [], data: [0] },
      { name: 'one', dims: [], data: [1] },
    ],
  });
}

describe('a server with --engine wav2lip', () => {
  let faces: FaceServer;
  before(async () => {
    const model = path.join(folder, 'wav2lip.onnx');
    await writeFile(model, greenFaces());
    await makeMedia(['-i', 'web/public/demo/speech.wav', '-t', '4', path.join(folder, 'speech.wav')]);
    faces = new FaceServer(
      await startTestServer([
        ...['--engine', 'wav2lip', '--wav2lip-model', model, '--media-root', folder, '--onnx-threads', '1'],
      ]),
    );
  });
  after(() => faces?.server.close());

  test('its own avatar speaks live with generated mouths that follow the sound, and rests with its own', async () => {
    const { id, engine, engineMode, engineReason } = await faces.open({ avatar: 'demo' });
    assert.deepEqual([engine, engineMode], ['wav2lip', 'live'], engineReason);
    const mouth = await faces.mouth('demo', 'wav2lip');
    const [viewer, ends] = [await faces.watch(id), await faces.hearEnds(id)];
    await faces.untilMouth(viewer, mouth, false);
    viewer.take();
    await faces.say(id, path.join(folder, 'speech.wav'));
    await until('the end of the speech', () => ends.playedMs()[0]);
    const greens = (await meanColours(viewer.take(), mouth)).map(greenness).filter((green) => green > 60);
    assert.ok(greens.length > 40, `${greens.length} pictures with a generated mouth`);
    const swing = Math.max(...greens) - Math.min(...greens);
    assert.ok(swing > 15, `the mouth follows the sound by ${swing} levels`);
    await faces.untilMouth(viewer, mouth, false);
    const { state, stats } = await faces.session(id);
    assert.deepEqual([state, stats['workerRestarts'], stats['soundUnderflows']], ['idle', 0, 0]);
    await Promise.all([viewer.close(), ends.close()]);
    await faces.end(id);
  });

  test('MuseTalk is refused by name, the CPU engine is there', async () => {
    const { status, json } = await faces.post('/v1/sessions', { avatar: 'demo', engine: 'musetalk' });
    assert.equal(status, 501);
    assert.match(String(json['detail']), /cpu and wav2lip, not musetalk/);
    const { id, engine } = await faces.open({ avatar: 'demo', engine: 'cpu' });
    assert.equal(engine, 'cpu');
    await faces.end(id);
  });
});

describe('a server with --engine wav2lip does not start, and says in a sentence why,', () => {
  const cases: Record<string, [(file: string) => Promise<void>, RegExp]> = {
    'without the file': [
      () => Promise.resolve(),
      /there is no Wav2Lip model at .*; name one with --wav2lip-model/,
    ],
    'with a network of another kind': [
      (file) => copyFile(path.join(STUBS_FOLDER, 'vae_encoder.onnx'), file),
      /model\.onnx is not a Wav2Lip network: no input for the sound .*it declares .*image.*give an export/,
    ],
    'with a checkpoint': [
      (file) => writeFile(file, 'PK\x03\x04 archive/data.pkl'),
      /is a PyTorch checkpoint, not ONNX/,
    ],
    'with a file that breaks off': [
      (file) => writeFile(file, greenFaces().subarray(0, 600)),
      /model\.onnx is damaged or breaks off after 600 bytes: download it again/,
    ],
  };
  for (const [what, [make, sentence]] of Object.entries(cases))
    test(what, async () => {
      const file = path.join(await mkdtemp(path.join(folder, 'case-')), 'model.onnx');
      await make(file);
      const { status, stderr } = await startRefused('--engine', 'wav2lip', '--wav2lip-model', file);
      assert.equal(status, 1, stderr);
      assert.match(stderr, /^Musecast cannot start: /);
      assert.match(stderr, sentence);
      assertSentence(stderr);
    });
});
