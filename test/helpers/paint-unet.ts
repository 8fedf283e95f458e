/** UNets that paint one colour: what is generated is told from footage by a look at the mouth. */
import { onnxGraph, type OnnxNodeSpec } from './onnx-graph.js';

/** Latents of pure green, scaled: the stand-in encoder's matrix times (-1, 1, -1). */
const GREEN = [-0.5, 0.5, 0, -0.75].map((value) => value * 0.18215);

/**
 * A UNet whose faces are green throughout. With `nanWhenHeard` it answers with NaN to any sound, but not to the zeros
 * that an engine warms up with. `weight` adds that many convolutions of about half a millisecond to a face.
 */
export function greenUnet(options: { nanWhenHeard?: boolean; weight?: number } = {}): Uint8Array {
  const { nanWhenHeard = false, weight = 0 } = options;
  // The root of a negative number is NaN, that of minus zero is not.
  const fault: OnnxNodeSpec[] = nanWhenHeard
    ? [
        { type: 'Abs', inputs: ['mean'], outputs: ['loud'] },
        { type: 'Neg', inputs: ['loud'], outputs: ['below'] },
        { type: 'Sqrt', inputs: ['below'], outputs: ['more'] },
      ]
    : [{ type: 'Mul', inputs: ['mean', 'nought'], outputs: ['more'] }];
  const work: OnnxNodeSpec[] = Array.from({ length: weight }, (_, i) => ({
    type: 'Conv',
    inputs: [`x${i}`, 'heavy'],
    outputs: [`x${i + 1}`],
    attributes: { pads: [1, 1, 1, 1] },
  }));
  return onnxGraph({
    inputs: [
      { name: 'input_latents', dims: ['batch', 8, 32, 32] },
      { name: 'audio_prompts', dims: ['batch', 50, 384] },
    ],
    outputs: [{ name: 'noise_prediction', dims: ['batch', 4, 32, 32] }],
    nodes: [
      { type: 'Conv', inputs: ['input_latents', 'widen'], outputs: ['x0'] },
      ...work,
      { type: 'Conv', inputs: [`x${weight}`, 'nothing', 'green'], outputs: ['painted'] },
      {
        type: 'ReduceMean',
        inputs: ['audio_prompts'],
        outputs: ['flat'],
        attributes: { axes: [1, 2], keepdims: 1 },
      },
      { type: 'Unsqueeze', inputs: ['flat', 'axis'], outputs: ['mean'] },
      ...fault,
      { type: 'Add', inputs: ['painted', 'more'], outputs: ['noise_prediction'] },
    ],
    initializers: [
      { name: 'widen', dims: [32, 8, 1, 1], data: new Float32Array(32 * 8).fill(1e-3) },
      ...(weight > 0 ? [{ name: 'heavy', dims: [32, 32, 3, 3], data: new Float32Array(32 * 32 * 9) }] : []),
      { name: 'nothing', dims: [4, 32, 1, 1], data: new Float32Array(4 * 32) },
      { name: 'green', dims: [4], data: GREEN },
      { name: 'axis', type: 'int64', dims: [1], data: [3] },
      { name: 'nought', dims: [], data: [0] },
    ],
  });
}

/** A UNet that gives the face back, lighter the louder the sound in its window is (the mean of all it hears). */
export function loudnessUnet(gain = 0.03): Uint8Array {
  const same = new Float32Array(4 * 8);
  for (let channel = 0; channel < 4; channel += 1) same[channel * 8 + 4 + channel] = 1;
  return onnxGraph({
    inputs: [
      { name: 'input_latents', dims: ['batch', 8, 32, 32] },
      { name: 'audio_prompts', dims: ['batch', 50, 384] },
    ],
    outputs: [{ name: 'noise_prediction', dims: ['batch', 4, 32, 32] }],
    nodes: [
      { type: 'Conv', inputs: ['input_latents', 'same'], outputs: ['face'] },
      {
        type: 'ReduceMean',
        inputs: ['audio_prompts'],
        outputs: ['flat'],
        attributes: { axes: [1, 2], keepdims: 1 },
      },
      { type: 'Unsqueeze', inputs: ['flat', 'axis'], outputs: ['mean'] },
      { type: 'Mul', inputs: ['mean', 'light'], outputs: ['lighter'] },
      { type: 'Add', inputs: ['face', 'lighter'], outputs: ['noise_prediction'] },
    ],
    initializers: [
      { name: 'same', dims: [4, 8, 1, 1], data: same },
      { name: 'axis', type: 'int64', dims: [1], data: [3] },
      // All channels of the stand-in decoder up by the same is white.
      { name: 'light', dims: [1, 4, 1, 1], data: [1, 0.5, 0.5, 0.25].map((value) => value * gain) },
    ],
  });
}
