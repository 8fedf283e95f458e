import { AppError } from '../../errors.js';
import { ConvertContext } from './context.js';
import { CUSTOM_HANDLERS } from './custom-operators.js';
import { OnnxGraphBuilder } from './onnx-writer.js';
import { BUILTIN_HANDLERS } from './operators.js';
import { readTflite } from './tflite-reader.js';
import type { TfliteGraph, TfliteOperator } from './tflite-reader.js';

const CUSTOM = 32;

export interface ConvertOptions {
  graphName: string;
  inputName: string;
  /** Which outputs to keep: the source's name to the name in the ONNX file. All else is cut away. */
  outputs: Readonly<Record<string, string>>;
}

/**
 * A float .tflite picture model with one input as an .onnx file. Pictures change from NHWC to NCHW, the input
 * included; outputs keep the source's element order. The same bytes in give the same bytes out.
 */
export function tfliteToOnnx(file: Uint8Array, options: ConvertOptions): Uint8Array {
  const source = readTflite(file);
  const graph = new OnnxGraphBuilder();
  const context = new ConvertContext(source, graph);
  const [inputIndex, ...otherInputs] = source.inputs;
  if (inputIndex === undefined || otherInputs.length > 0) {
    throw new AppError('model-invalid', `expected one input, found ${source.inputs.length}`);
  }
  context.name(inputIndex, options.inputName);
  const kept = Object.entries(options.outputs).map(([sourceName, name]) => {
    const index = source.outputs.find((candidate) => source.tensors[candidate]?.name === sourceName);
    if (index === undefined) throw new AppError('model-invalid', `the model has no output ${sourceName}`);
    return { index, name };
  });
  for (const operator of neededOperators(
    source,
    kept.map((output) => output.index),
    context,
  )) {
    const [output] = operator.outputs;
    if (output === undefined) throw new AppError('model-invalid', 'an operator without an output');
    context.name(output, handlerOf(operator)(context, operator));
  }
  const outputs = kept.map(({ index, name }) => {
    graph.node('Identity', [context.valueName(index)], {}, name);
    return { name, dims: context.onnxDims(context.shape(index)) };
  });
  const input = { name: options.inputName, dims: context.onnxDims(context.shape(inputIndex)) };
  return graph.build(options.graphName, [input], outputs);
}

/** The operators on which the outputs depend, in the source's order (which is an order of computation). */
function neededOperators(
  source: TfliteGraph,
  outputs: readonly number[],
  context: ConvertContext,
): TfliteOperator[] {
  const wanted = new Set(outputs);
  const needed: TfliteOperator[] = [];
  for (const operator of [...source.operators].reverse()) {
    if (!operator.outputs.some((index) => wanted.has(index) && !context.isConstant(index))) continue;
    needed.unshift(operator);
    for (const index of operator.inputs) wanted.add(index);
  }
  return needed;
}

function handlerOf(operator: TfliteOperator): (context: ConvertContext, operator: TfliteOperator) => string {
  const handler =
    operator.code === CUSTOM ? CUSTOM_HANDLERS[operator.customName] : BUILTIN_HANDLERS[operator.code];
  if (!handler) {
    throw new AppError('model-invalid', `operator ${operator.code} ${operator.customName} is not supported`);
  }
  return handler;
}
