import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GraphRunner, GraphValue } from '../../../../../src/adapters/graph-runner.js';
import {
  bindUnet,
  bindVaeDecoder,
  bindVaeEncoder,
  givesMoments,
} from '../../../../../src/engine/musetalk/models/model-set.js';
import { WhisperEncoder } from '../../../../../src/engine/musetalk/models/whisper-encoder.js';

const LATENTS = value('input_latents', ['batch', 8, 32, 32]);
const AUDIO = value('audio_prompts', ['batch', 50, 384]);
const PREDICTION = value('noise_prediction', ['batch', 4, 32, 32]);
const IMAGE = value('image', ['batch', 3, 256, 256]);
const LATENT = value('latents', ['batch', 4, 32, 32]);

test('tensors are found by name, and by shape where the names are others', () => {
  const named = bindUnet('unet.onnx', declared([LATENTS, AUDIO], [PREDICTION]));
  assert.deepEqual(
    named.inputs.map((input) => input.name),
    ['input_latents', 'audio_prompts'],
  );
  assert.equal(named.fixedBatch, undefined);
  const other = bindUnet(
    'unet.onnx',
    declared(
      [value('b', [4, 50, 384], 'float16'), value('a', [4, 8, 32, 32]), value('t', [], 'int64')],
      [value('mean', ['n']), value('out', [4, 4, 32, 32])],
    ),
  );
  assert.deepEqual(other.inputs, [
    { name: 'a', type: 'float32', dims: [8, 32, 32] },
    { name: 'b', type: 'float16', dims: [50, 384] },
  ]);
  assert.equal(other.timestep?.value.name, 't');
  assert.equal(other.output.name, 'out');
  assert.equal(other.fixedBatch, 4);
});

test('a dynamic dimension fits any number; names tell moments from latents then', () => {
  const open = (name: string): GraphRunner => declared([IMAGE], [value(name, ['batch', 'c', 'h', 'w'])]);
  assert.equal(givesMoments(bindVaeEncoder('e.onnx', open('moments'))), true);
  assert.equal(givesMoments(bindVaeEncoder('e.onnx', open('latents'))), false);
  assert.equal(givesMoments(bindVaeEncoder('e.onnx', declared([IMAGE], [value('x', [1, 8, 32, 32])]))), true);
});

test('files in the wrong place: what they declare and what belongs there', () => {
  const encoder = declared([IMAGE], [LATENT]);
  const decoder = declared([LATENT], [IMAGE]);
  const wrong = (bind: () => unknown, message: RegExp): void =>
    assert.throws(bind, { code: 'model-invalid', message });
  wrong(
    () => bindVaeDecoder('vae_decoder.onnx', encoder),
    /vae_decoder\.onnx is not a VAE decoder as expected: no input for the latents \[batch,4,32,32\]; it declares image float32 \[batch,3,256,256\]/,
  );
  wrong(
    () => bindVaeEncoder('vae_encoder.onnx', decoder),
    /not a VAE encoder as expected: no input for the picture/,
  );
  wrong(
    () => bindUnet('unet.onnx', decoder),
    /not a MuseTalk UNet as expected: .*the latents \[batch,8,32,32\]/,
  );
  wrong(
    () =>
      bindUnet(
        'unet.onnx',
        declared([LATENTS, value('encoder_hidden_states', ['b', 77, 768])], [PREDICTION]),
      ),
    /encoder_hidden_states is float32 \[b,77,768\] where the sound \[batch,50,384\] belongs/,
  );
  wrong(
    () => bindUnet('unet.onnx', declared([value('sample', ['b', 4, 64, 64]), AUDIO], [PREDICTION])),
    /sample is float32 \[b,4,64,64\] where the latents \[batch,8,32,32\] belongs/,
  );
});

test('types, extra inputs, mixed batches and missing outputs are named', () => {
  const wrong = (inputs: GraphValue[], outputs: GraphValue[], message: RegExp): void =>
    assert.throws(() => bindUnet('unet.onnx', declared(inputs, outputs)), { code: 'model-invalid', message });
  wrong(
    [value('input_latents', [1, 8, 32, 32], 'uint8'), AUDIO],
    [PREDICTION],
    /input_latents is uint8, neither/,
  );
  wrong(
    [LATENTS, AUDIO, value('mask', ['b', 50])],
    [PREDICTION],
    /the input mask float32 \[b,50\] is unknown/,
  );
  wrong(
    [value('a', [1, 8, 32, 32]), value('b', [2, 50, 384])],
    [PREDICTION],
    /different fixed batches \(1 and 2\)/,
  );
  wrong([LATENTS, AUDIO], [value('y', ['b'])], /no output for the latents/);
  // Two of a kind of int64 input: only one can be the time step.
  wrong(
    [LATENTS, AUDIO, value('t', [1], 'int64'), value('u', [1], 'int64')],
    [PREDICTION],
    /the input u int64/,
  );
});

test('a Whisper without its five states, or of another size', () => {
  const mel = value('input_features', [1, 80, 3000]);
  const wrong = (inputs: GraphValue[], outputs: GraphValue[]): void =>
    assert.throws(() => WhisperEncoder.bind('whisper_encoder.onnx', declared(inputs, outputs)), {
      code: 'model-invalid',
      message:
        /whisper_encoder\.onnx is not an encoder of Whisper tiny with its five hidden states.*declares/,
    });
  wrong([mel], [value('last_hidden_state', [1, 1500, 384])]);
  wrong([mel], [value('states', [1, 1500, 7, 512])]);
  wrong([value('input_features', [1, 128, 3000])], [value('s', [1, 1500, 5, 384])]);
  const open = value('hidden_states', ['batch', 'time', 'layers', 384]);
  assert.ok(WhisperEncoder.bind('w.onnx', declared([value('mel', ['batch', 80, 'frames'])], [open])));
});

function value(name: string, dims: readonly (number | string)[], type = 'float32'): GraphValue {
  return { name, type, dims };
}

function declared(inputs: readonly GraphValue[], outputs: readonly GraphValue[]): GraphRunner {
  return {
    inputs,
    outputs,
    run: () => Promise.reject(new Error('not run here')),
    close: () => Promise.resolve(),
  };
}
