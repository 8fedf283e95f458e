import { basename } from 'node:path';
import {
  describeValue,
  type GraphRunner,
  type GraphTensor,
  type GraphValue,
} from '../../../adapters/graph-runner.js';
import { AppError } from '../../../errors.js';
import type { BoundGraph, BoundValue } from '../../faces/batch-graph.js';

/** The side of a face in pixels and of its latents. */
export const FACE_SIDE_PX = 256;
export const LATENT_SIDE = 32;
export const AUDIO_ROWS = 50;
export const AUDIO_WIDTH = 384;

interface Wanted {
  readonly what: string;
  /** Names seen in the known exports; a tensor of another name is found by its shape. */
  readonly names: readonly string[];
  /** Without the batch; several where exports differ. */
  readonly shapes: readonly (readonly number[])[];
}

const IMAGE: Wanted = {
  what: 'the picture',
  names: ['image', 'sample', 'pixel_values'],
  shapes: [[3, FACE_SIDE_PX, FACE_SIDE_PX]],
};
const LATENT: Wanted = {
  what: 'the latents',
  names: ['latents', 'latent', 'latent_sample', 'z'],
  shapes: [[4, LATENT_SIDE, LATENT_SIDE]],
};

/** @throws AppError model-invalid, saying what the file declares and what a UNet declares */
export function bindUnet(file: string, runner: GraphRunner): BoundGraph {
  const latents: Wanted = {
    what: 'the latents',
    names: ['input_latents', 'latent', 'latents', 'sample'],
    shapes: [[8, LATENT_SIDE, LATENT_SIDE]],
  };
  const audio: Wanted = {
    what: 'the sound',
    names: ['audio_prompts', 'audio_prompt', 'encoder_hidden_states'],
    shapes: [[AUDIO_ROWS, AUDIO_WIDTH]],
  };
  const predicted: Wanted = { ...LATENT, names: ['noise_prediction', 'latent_out', 'out_sample', 'sample'] };
  return bind(file, 'a MuseTalk UNet', runner, [latents, audio], predicted, true);
}

/** The output is latents (4 channels) or moments (8, of which the first 4 are the mean). */
export function bindVaeEncoder(file: string, runner: GraphRunner): BoundGraph {
  const output: Wanted = {
    what: 'the latents or moments',
    names: ['latents', 'moments', 'latent', 'latent_sample'],
    shapes: [...LATENT.shapes, [8, LATENT_SIDE, LATENT_SIDE]],
  };
  return bind(file, 'a VAE encoder', runner, [IMAGE], output, false);
}

export function bindVaeDecoder(file: string, runner: GraphRunner): BoundGraph {
  return bind(file, 'a VAE decoder', runner, [LATENT], IMAGE, false);
}

/** Whether an encoder gives mean and log variance. */
export function givesMoments(encoder: BoundGraph): boolean {
  return encoder.output.dims[0] === 8;
}

/** A file's own list of what it takes and gives, for messages. */
export function describeGraph(runner: GraphRunner): string {
  const list = (values: readonly GraphValue[]): string =>
    values.map((value) => `${value.name} ${describeValue(value)}`).join(', ');
  return `${list(runner.inputs)} -> ${list(runner.outputs)}`;
}

function bind(
  file: string,
  role: string,
  runner: GraphRunner,
  wantedInputs: readonly Wanted[],
  wantedOutput: Wanted,
  mayHaveTimestep: boolean,
): BoundGraph {
  const wrong = (problem: string): AppError =>
    new AppError(
      'model-invalid',
      `${basename(file)} is not ${role} as expected: ${problem}; it declares ${describeGraph(runner)}, so give the right file or export it again (models/export)`,
    );
  const rest = [...runner.inputs];
  const found = wantedInputs.map((wanted) => {
    const value = pick(rest, wanted);
    if (!value) throw wrong(`no input for ${wanted.what} [batch,${wanted.shapes[0]!.join(',')}]`);
    rest.splice(rest.indexOf(value), 1);
    return { value, bound: boundValue(value, wanted, wrong) };
  });
  const timestep = mayHaveTimestep ? rest.find(isTimestep) : undefined;
  const extra = rest.find((value) => value !== timestep);
  if (extra) throw wrong(`the input ${extra.name} ${describeValue(extra)} is unknown`);
  const output = pick(runner.outputs, wantedOutput);
  if (!output) throw wrong(`no output for ${wantedOutput.what} [batch,${wantedOutput.shapes[0]!.join(',')}]`);

  const fixed = new Set(found.map(({ value }) => value.dims[0]).filter((dim) => typeof dim === 'number'));
  if (fixed.size > 1) throw wrong(`its inputs have different fixed batches (${[...fixed].join(' and ')})`);
  return {
    file,
    runner,
    fixedBatch: [...fixed][0],
    inputs: found.map(({ bound }) => bound),
    output: boundValue(output, wantedOutput, wrong),
    timestep: timestep && { value: timestep, type: timestep.type as GraphTensor['type'] },
  };
}

/** By name if its shape fits, else by shape alone, else by name alone, so that the message tells what does not fit. */
function pick(values: readonly GraphValue[], wanted: Wanted): GraphValue | undefined {
  const byName = wanted.names.flatMap((name) => values.filter((value) => value.name === name));
  return (
    byName.find((value) => shapeOf(value, wanted)) ??
    values.find((value) => shapeOf(value, wanted)) ??
    byName[0]
  );
}

/** The wanted shape that a value has; a dynamic dimension fits any number. */
function shapeOf(value: GraphValue, wanted: Wanted): readonly number[] | undefined {
  const dims = value.dims.slice(1);
  const fits = wanted.shapes.filter(
    (shape) =>
      shape.length === dims.length &&
      shape.every((want, i) => typeof dims[i] === 'string' || dims[i] === want),
  );
  // Only a name tells moments from latents where the file leaves the channels open.
  return value.name === 'moments' ? fits.at(-1) : fits[0];
}

function boundValue(value: GraphValue, wanted: Wanted, wrong: (problem: string) => AppError): BoundValue {
  const dims = shapeOf(value, wanted);
  if (!dims) {
    throw wrong(
      `${value.name} is ${describeValue(value)} where ${wanted.what} [batch,${wanted.shapes[0]!.join(',')}] belongs`,
    );
  }
  if (value.type !== 'float32' && value.type !== 'float16') {
    throw wrong(`${value.name} is ${value.type}, neither float32 nor float16`);
  }
  return { name: value.name, type: value.type, dims };
}

function isTimestep(value: GraphValue): boolean {
  return value.dims.length <= 1 && ['int64', 'int32', 'float32', 'float16'].includes(value.type);
}
