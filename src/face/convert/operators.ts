import { AppError } from '../../errors.js';
import type { ConvertContext } from './context.js';
import { TFLITE_INT32, int32sOf } from './tflite-reader.js';
import type { FlatTable, TfliteOperator } from './tflite-reader.js';

/** Turns one TensorFlow Lite operator into ONNX nodes and gives the name of its result back. */
export type OperatorHandler = (context: ConvertContext, operator: TfliteOperator) => string;

/** Handlers by builtin code (schema.fbs BuiltinOperator). Pictures are NCHW on the ONNX side, NHWC in the source. */
export const BUILTIN_HANDLERS: Readonly<Record<number, OperatorHandler>> = {
  0: (context, operator) => elementwise(context, operator, 'Add'),
  2: concatenation,
  3: (context, operator) => convolution(context, operator, false),
  4: (context, operator) => convolution(context, operator, true),
  17: maxPool,
  18: (context, operator) => elementwise(context, operator, 'Mul'),
  19: (context, operator) => context.graph.node('Relu', [context.input(operator, 0)]),
  22: reshape,
  34: pad,
  45: wholeSlice,
  54: prelu,
};

function convolution(context: ConvertContext, operator: TfliteOperator, depthwise: boolean): string {
  const options = optionsOf(operator);
  const strides = [options.int32(2, 1), options.int32(1, 1)];
  const activation = options.int8(depthwise ? 4 : 3);
  const dilations = [options.int32(depthwise ? 6 : 5, 1), options.int32(depthwise ? 5 : 4, 1)];
  const [, inHeight, inWidth] = context.shape(operator.inputs[0]);
  // Source weights: output x height x width x input, or 1 x height x width x channel when depthwise.
  const weights = context.constant(operator.inputs[1]);
  const [first = 0, kernelHeight = 0, kernelWidth = 0, last = 0] = weights.shape;
  const outputs = depthwise ? last : first;
  const inputs = depthwise ? 1 : last;
  const turned = new Float32Array(weights.data.length);
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      for (let k = 0; k < kernelHeight * kernelWidth; k++) {
        const source = depthwise ? k * last + o : (o * kernelHeight * kernelWidth + k) * last + i;
        turned[(o * inputs + i) * kernelHeight * kernelWidth + k] = weights.data[source] ?? 0;
      }
    }
  }
  const bias = context.constant(operator.inputs[2]);
  const kernel = [kernelHeight, kernelWidth];
  const result = context.graph.node(
    'Conv',
    [
      context.input(operator, 0),
      context.graph.floats(turned, [outputs, inputs, kernelHeight, kernelWidth]),
      context.graph.floats(bias.data, [outputs]),
    ],
    {
      kernel_shape: kernel,
      strides,
      dilations,
      group: depthwise ? outputs : 1,
      pads: padsOf(options, [inHeight ?? 0, inWidth ?? 0], kernel, strides, dilations),
    },
  );
  return withActivation(context, result, activation);
}

function maxPool(context: ConvertContext, operator: TfliteOperator): string {
  const options = optionsOf(operator);
  const strides = [options.int32(2, 1), options.int32(1, 1)];
  const kernel = [options.int32(4, 1), options.int32(3, 1)];
  const [, height, width] = context.shape(operator.inputs[0]);
  const result = context.graph.node('MaxPool', [context.input(operator, 0)], {
    kernel_shape: kernel,
    strides,
    pads: padsOf(options, [height ?? 0, width ?? 0], kernel, strides, [1, 1]),
  });
  return withActivation(context, result, options.int8(5));
}

/** ONNX pads (top, left, bottom, right) of the source's padding mode: 0 is SAME (the odd pixel goes last), 1 VALID. */
function padsOf(
  options: FlatTable,
  size: readonly number[],
  kernel: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
): number[] {
  if (options.int8(0) === 1) return [0, 0, 0, 0];
  const totals = [0, 1].map((axis) => {
    const stride = strides[axis] ?? 1;
    const length = size[axis] ?? 0;
    const reach = ((kernel[axis] ?? 1) - 1) * (dilations[axis] ?? 1) + 1;
    return Math.max((Math.ceil(length / stride) - 1) * stride + reach - length, 0);
  });
  const [down = 0, across = 0] = totals;
  const before = [Math.floor(down / 2), Math.floor(across / 2)];
  return [...before, down - (before[0] ?? 0), across - (before[1] ?? 0)];
}

function elementwise(context: ConvertContext, operator: TfliteOperator, type: 'Add' | 'Mul'): string {
  const rank = context.shape(operator.outputs[0]).length;
  const names = operator.inputs.map((index, position) => {
    if (!context.isConstant(index)) return context.input(operator, position);
    const constant = context.constant(index);
    // A per-channel constant has its channel last; beside an NCHW picture the channel stands third from the end.
    const dims = rank === 4 && constant.data.length > 1 ? channelDims(constant.shape) : constant.shape;
    return context.graph.floats(constant.data, dims);
  });
  return withActivation(context, context.graph.node(type, names), operator.options?.int8(0) ?? 0);
}

function prelu(context: ConvertContext, operator: TfliteOperator): string {
  const slope = context.constant(operator.inputs[1]);
  const slopeName = context.graph.floats(slope.data, channelDims(slope.shape));
  return context.graph.node('PRelu', [context.input(operator, 0), slopeName]);
}

function channelDims(shape: readonly number[]): number[] {
  const channels = shape.at(-1) ?? 1;
  if (shape.slice(0, -1).some((dim) => dim !== 1)) {
    throw new AppError('model-invalid', `a constant of shape ${shape.join('x')} is not per channel`);
  }
  return [channels, 1, 1];
}

function pad(context: ConvertContext, operator: TfliteOperator): string {
  const paddings = int32sOf(context.tensor(operator.inputs[1]));
  const order = [0, 3, 1, 2];
  const before = order.map((axis) => paddings[axis * 2] ?? 0);
  const after = order.map((axis) => paddings[axis * 2 + 1] ?? 0);
  return context.graph.node('Pad', [context.input(operator, 0), context.graph.int64s([...before, ...after])]);
}

function reshape(context: ConvertContext, operator: TfliteOperator): string {
  const from = context.shape(operator.inputs[0]);
  const to = context.shape(operator.outputs[0]);
  let value = context.input(operator, 0);
  if (isWide(from)) value = context.graph.node('Transpose', [value], { perm: [0, 2, 3, 1] });
  if (!isWide(to)) return context.graph.node('Reshape', [value, context.graph.int64s(context.onnxDims(to))]);
  value = context.graph.node('Reshape', [value, context.graph.int64s([...to])]);
  return context.graph.node('Transpose', [value], { perm: [0, 3, 1, 2] });
}

/** True for a picture whose element order differs between NHWC and NCHW. */
function isWide(shape: readonly number[]): boolean {
  return shape.length === 4 && (shape[1] ?? 1) * (shape[2] ?? 1) > 1 && (shape[3] ?? 1) > 1;
}

function concatenation(context: ConvertContext, operator: TfliteOperator): string {
  const options = optionsOf(operator);
  const rank = context.shape(operator.outputs[0]).length;
  const axis = (options.int32(0) + rank) % rank;
  const names = operator.inputs.map((_, position) => context.input(operator, position));
  const result = context.graph.node('Concat', names, {
    axis: rank === 4 ? ([0, 2, 3, 1][axis] ?? axis) : axis,
  });
  return withActivation(context, result, options.int8(1));
}

/** The models slice only to give a value a second name: the whole of it. Anything else is refused. */
function wholeSlice(context: ConvertContext, operator: TfliteOperator): string {
  const [begin, , strides] = [1, 2, 3].map((position) => {
    const tensor = context.tensor(operator.inputs[position]);
    if (tensor.type !== TFLITE_INT32)
      throw new AppError('model-invalid', 'a slice with bounds that are not int32');
    return int32sOf(tensor);
  });
  const sameShape = context.shape(operator.inputs[0]).join() === context.shape(operator.outputs[0]).join();
  if (!sameShape || begin?.some((value) => value !== 0) || strides?.some((value) => value !== 1)) {
    throw new AppError('model-invalid', 'a slice that takes only a part is not supported');
  }
  return context.input(operator, 0);
}

function withActivation(context: ConvertContext, value: string, activation: number): string {
  switch (activation) {
    case 0:
      return value;
    case 1:
      return context.graph.node('Relu', [value]);
    case 3:
      return context.graph.node('Clip', [
        value,
        context.graph.floats([0], []),
        context.graph.floats([6], []),
      ]);
    default:
      throw new AppError('model-invalid', `fused activation ${activation} is not supported`);
  }
}

function optionsOf(operator: TfliteOperator): FlatTable {
  if (!operator.options) throw new AppError('model-invalid', `operator ${operator.code} has no options`);
  return operator.options;
}
