import type { FloatTensor } from '../adapters/onnx.js';

/** What the decoders of this folder need of a model; OnnxModel gives it, tests give their own. */
export interface Network {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Record<string, FloatTensor>): Promise<Record<string, FloatTensor>>;
  close(): Promise<void>;
}

/** Runs a network of one input, whatever its name is; the outputs in the order in which the file lists them. */
export async function runOne(network: Network, input: FloatTensor): Promise<FloatTensor[]> {
  const results = await network.run({ [network.inputNames[0] ?? 'input']: input });
  return network.outputNames.flatMap((name) => results[name] ?? []);
}
