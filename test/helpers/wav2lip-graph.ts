import { onnxGraph, type OnnxGraphSpec, type OnnxType, type OnnxValueSpec } from './onnx-graph.js';

export interface Wav2LipGraphOptions {
  sidePx?: number;
  /** Declared dimensions; a fixed batch or open sides are told here. */
  melDims?: OnnxValueSpec['dims'];
  faceDims?: OnnxValueSpec['dims'];
  outputDims?: OnnxValueSpec['dims'];
  melName?: string;
  faceName?: string;
  type?: OnnxType;
  faceFirst?: boolean;
  extraInputs?: readonly OnnxValueSpec[];
  /** Added to and multiplied with every pixel. */
  scale?: number;
  offset?: number;
  clip?: boolean;
  /** Shape of zeros that are added: ties a file to a side or a batch that it does not declare. */
  zerosDims?: readonly number[];
}

/** A stand-in for Wav2Lip: out = clip(0.5 whole + 0.25 blanked + 0.05 mean(mel) + 0.2): where each channel and picture went can be told. */
export function wav2LipGraph(options: Wav2LipGraphOptions = {}): Uint8Array {
  const { sidePx = 96, type = 'float32', melName = 'mel', faceName = 'vid', zerosDims = [1] } = options;
  const mel = { name: melName, type, dims: options.melDims ?? ['batch', 1, 80, 16] };
  const face = { name: faceName, type, dims: options.faceDims ?? ['batch', 6, sidePx, sidePx] };
  const output = { name: 'out', type, dims: options.outputDims ?? ['batch', 3, sidePx, sidePx] };
  const ints = (name: string, ...data: number[]) => ({
    name,
    type: 'int64' as const,
    dims: [data.length],
    data,
  });
  const number = (name: string, value: number) => ({ name, dims: [], data: [value] });
  const spec: OnnxGraphSpec = {
    inputs: [...(options.faceFirst ? [face, mel] : [mel, face]), ...(options.extraInputs ?? [])],
    outputs: [output],
    nodes: [
      { type: 'Cast', inputs: [melName], outputs: ['mel32'], attributes: { to: 1 } },
      { type: 'Cast', inputs: [faceName], outputs: ['face32'], attributes: { to: 1 } },
      { type: 'Slice', inputs: ['face32', 'zero', 'three', 'axis'], outputs: ['blanked'] },
      { type: 'Slice', inputs: ['face32', 'three', 'six', 'axis'], outputs: ['whole'] },
      {
        type: 'ReduceMean',
        inputs: ['mel32'],
        outputs: ['mean'],
        attributes: { axes: [1, 2, 3], keepdims: 1 },
      },
      { type: 'Mul', inputs: ['whole', 'half'], outputs: ['a'] },
      { type: 'Mul', inputs: ['blanked', 'quarter'], outputs: ['b'] },
      { type: 'Mul', inputs: ['mean', 'twentieth'], outputs: ['c'] },
      { type: 'Sum', inputs: ['a', 'b', 'c', 'fifth'], outputs: ['sum'] },
      { type: 'Clip', inputs: ['sum', 'nought', 'one'], outputs: ['clipped'] },
      { type: 'Mul', inputs: ['clipped', 'scale'], outputs: ['scaled'] },
      { type: 'Add', inputs: ['scaled', 'offset'], outputs: ['shifted'] },
      { type: 'Add', inputs: ['shifted', 'zeros'], outputs: ['sized'] },
      {
        type: 'Cast',
        inputs: ['sized'],
        outputs: ['out'],
        attributes: { to: type === 'float16' ? 10 : type === 'uint8' ? 2 : 1 },
      },
    ],
    initializers: [
      ...[ints('zero', 0), ints('three', 3), ints('six', 6), ints('axis', 1)],
      ...[number('half', 0.5), number('quarter', 0.25), number('twentieth', 0.05), number('fifth', 0.2)],
      ...[
        number('nought', 0),
        number('one', 1),
        number('scale', options.scale ?? 1),
        number('offset', options.offset ?? 0),
      ],
      {
        name: 'zeros',
        dims: zerosDims,
        data: new Float32Array(zerosDims.reduce((product, side) => product * side, 1)),
      },
    ],
  };
  return onnxGraph(spec);
}
