import { AppError } from '../../errors.js';
import type { ConvertContext } from './context.js';
import type { OperatorHandler } from './operators.js';
import type { TfliteOperator } from './tflite-reader.js';

/**
 * The three operators of the attention model that TensorFlow Lite itself does not know. Their meaning is taken from
 * mediapipe/util/tflite/operations (google-ai-edge/mediapipe, Apache-2.0), version 2 of each.
 */
export const CUSTOM_HANDLERS: Readonly<Record<string, OperatorHandler>> = {
  Landmarks2TransformMatrix: landmarksToMatrix,
  TransformTensorBilinear: transformTensor,
  TransformLandmarks: transformLandmarks,
};

/**
 * Points (1 x n x 3) to the 4 x 4 matrix that carries output cells (0..16) onto the turned box around a subset of
 * the points. Angles never appear: the unit vector (c, s) between two points is its own cosine and sine.
 */
function landmarksToMatrix(context: ConvertContext, operator: TfliteOperator): string {
  const { graph } = context;
  const options = operator.customOptions;
  const subset = numbersOf(options, 'subset_idxs');
  const outputSize = [numberOf(options, 'output_width'), numberOf(options, 'output_height')];
  const scale = [numberOf(options, 'scale_x'), numberOf(options, 'scale_y')];

  const xy = graph.node('Gather', [context.input(operator, 0), graph.int64s([0, 1])], { axis: 2 });
  const pick = (indices: readonly number[]): string =>
    graph.node('Gather', [xy, graph.int64s(indices)], { axis: 1 });
  const across = graph.node('Sub', [
    pick([numberOf(options, 'right_rotation_idx')]),
    pick([numberOf(options, 'left_rotation_idx')]),
  ]);
  const length = graph.node('ReduceL2', [across], { axes: [2], keepdims: 1 });
  const unit = graph.node('Div', [across, length]);
  // (c, s) times this table is c -s s c: the turn back, written as rows, and at once the turn of row vectors.
  const flat = graph.node('MatMul', [unit, graph.floats([1, 0, 0, 1, 0, -1, 1, 0], [2, 4])]);
  const turnBack = graph.node('Reshape', [flat, graph.int64s([1, 2, 2])]);

  const upright = graph.node('MatMul', [pick(subset), turnBack]);
  const max = graph.node('ReduceMax', [upright], { axes: [1], keepdims: 1 });
  const min = graph.node('ReduceMin', [upright], { axes: [1], keepdims: 1 });
  const size = graph.node('Sub', [max, min]);
  const middle = graph.node('Mul', [graph.node('Add', [max, min]), graph.floats([0.5], [1])]);
  const turnBackRows = graph.node('Transpose', [turnBack], { perm: [0, 2, 1] });
  const centre = graph.node('MatMul', [middle, turnBackRows]);

  const cellScale = scale.map((value, axis) => value / (outputSize[axis] ?? 1));
  const cell = graph.node('Mul', [size, graph.floats(cellScale, [1, 1, 2])]);
  const linear = graph.node('Mul', [turnBack, cell]);
  const linearRows = graph.node('Transpose', [linear], { perm: [0, 2, 1] });
  const halfOutput = graph.floats(
    outputSize.map((value) => value / 2),
    [1, 1, 2],
  );
  const shift = graph.node('Sub', [centre, graph.node('MatMul', [halfOutput, linearRows])]);
  const shiftColumn = graph.node('Transpose', [shift], { perm: [0, 2, 1] });

  const upper = graph.node('Concat', [linear, graph.floats([0, 0], [1, 2, 1]), shiftColumn], { axis: 2 });
  return graph.node('Concat', [upper, graph.floats([0, 0, 1, 0, 0, 0, 0, 1], [1, 2, 4])], { axis: 1 });
}

/** Samples a picture at the places where the matrix puts the middles of the output cells; zeros outside. */
function transformTensor(context: ConvertContext, operator: TfliteOperator): string {
  const { graph } = context;
  const outputHeight = numberOf(operator.customOptions, 'output_height');
  const outputWidth = numberOf(operator.customOptions, 'output_width');
  const [, inputHeight = 1, inputWidth = 1] = context.shape(operator.inputs[0]);
  const cells: number[] = [];
  for (let y = 0; y < outputHeight; y++) {
    for (let x = 0; x < outputWidth; x++) cells.push(x + 0.5, y + 0.5, 0, 1);
  }
  const rows = graph.node('Gather', [context.input(operator, 1), graph.int64s([0, 1])], { axis: 1 });
  const columns = graph.node('Transpose', [rows], { perm: [0, 2, 1] });
  const places = graph.node('MatMul', [graph.floats(cells, [1, outputHeight * outputWidth, 4]), columns]);
  // GridSample wants -1 at the middle of the first pixel and 1 at the middle of the last.
  const step = [2 / (inputWidth - 1), 2 / (inputHeight - 1)];
  const scaled = graph.node('Mul', [places, graph.floats(step, [1, 1, 2])]);
  const offset = step.map((value) => -0.5 * value - 1);
  const normalised = graph.node('Add', [scaled, graph.floats(offset, [1, 1, 2])]);
  const grid = graph.node('Reshape', [normalised, graph.int64s([1, outputHeight, outputWidth, 2])]);
  return graph.node('GridSample', [context.input(operator, 0), grid], {
    mode: 'bilinear',
    padding_mode: 'zeros',
    align_corners: 1,
  });
}

/** Carries points (1 x n x 2) through the upper two rows of the matrix. */
function transformLandmarks(context: ConvertContext, operator: TfliteOperator): string {
  const { graph } = context;
  if (context.shape(operator.inputs[0]).at(-1) !== 2) {
    throw new AppError('model-invalid', 'TransformLandmarks is supported for points of two coordinates only');
  }
  const rows = graph.node('Gather', [context.input(operator, 1), graph.int64s([0, 1])], { axis: 1 });
  const columns = graph.node('Transpose', [rows], { perm: [0, 2, 1] });
  const linear = graph.node('Gather', [columns, graph.int64s([0, 1])], { axis: 1 });
  const shift = graph.node('Gather', [columns, graph.int64s([3])], { axis: 1 });
  return graph.node('Add', [graph.node('MatMul', [context.input(operator, 0), linear]), shift]);
}

function numberOf(options: Record<string, unknown>, key: string): number {
  const value = options[key];
  if (typeof value !== 'number') throw new AppError('model-invalid', `custom option ${key} is not a number`);
  return value;
}

function numbersOf(options: Record<string, unknown>, key: string): number[] {
  const value = options[key];
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'number')) {
    throw new AppError('model-invalid', `custom option ${key} is not a list of numbers`);
  }
  return value;
}
