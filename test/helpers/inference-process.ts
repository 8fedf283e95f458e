import { InferenceThread } from '../../src/engine/faces/inference-thread.js';
import { STUB_MODULE, stubOptions, type StubNets } from './stub-nets.js';

/** A process that hosts networks the way a media worker does, for tests that look at how it ends. */

const LATENTS = 8 * 32 * 32;
const AUDIO = 50 * 384;

async function draw(thread: InferenceThread<StubNets>, count: number): Promise<number> {
  const latents = new Float32Array(count * LATENTS).fill(0.1);
  const audio = new Float32Array(count * AUDIO).fill(0.2);
  return (await thread.nets.faces(latents, audio, count)).length;
}

const [, , mode, cycles] = process.argv;
const open = (): Promise<InferenceThread<StubNets>> =>
  InferenceThread.create<StubNets>({ module: STUB_MODULE, options: stubOptions({ threads: 2 }) });
let drawn = 0;
for (let i = 0; i < Number(cycles); i++) {
  const thread = await open();
  drawn += await draw(thread, 4);
  // Closing in the middle of a run is the case that takes care.
  const late = draw(thread, 16);
  await thread.close();
  drawn += await late;
}
if (mode === 'two') {
  const both = [await open(), await open()];
  for (const thread of both) drawn += await draw(thread, 4);
  await Promise.all(both.map((thread) => draw(thread, 4)));
  for (const thread of both) await thread.close();
}
if (mode === 'exit') process.exit(0);
process.send?.(drawn);
process.disconnect?.();
