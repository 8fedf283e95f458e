import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { DEFAULT_FACE_PARAMETERS, type FaceMaterial } from '../../../../src/engine/faces/face-material.js';
import {
  BY_REFERENCE,
  materialKey,
  type MaterialHeader,
} from '../../../../src/engine/faces/material-file.js';
import { isPrepared } from '../../../../src/engine/faces/material-check.js';
import { openMaterial } from '../../../../src/engine/faces/material-store.js';
import { MaterialWriter } from '../../../../src/engine/faces/material-writer.js';
import { isAppError } from '../../../../src/errors.js';
import type { AlphaMask, Box } from '../../../../src/media/frame.js';
import { temporaryFolder } from '../../../helpers/media.js';

const HEADER: MaterialHeader = {
  family: 'musetalk',
  parameters: DEFAULT_FACE_PARAMETERS,
  modelHashes: { unet: 'aa', vaeEncoder: 'bb' },
  landmarks: 'dwpose',
  parsing: 'bisenet',
  faceSidePx: 256,
  inputValues: 6,
};
const KEY = materialKey(HEADER);

interface Picture {
  readonly box: Box;
  readonly mask: AlphaMask;
  readonly input: Float32Array;
}

/** Masks of growing size, the second one empty. */
function pictures(count: number, seed = 0): Picture[] {
  return Array.from({ length: count }, (_, k) => {
    const area = k === 1 ? { x1: 5, y1: 5, x2: 5, y2: 5 } : { x1: k, y1: 2, x2: 3 * k + 2, y2: 6 };
    const pixels = (area.x2 - area.x1) * (area.y2 - area.y1);
    return {
      box: { x1: 10 + k, y1: 20, x2: 40 + k, y2: 60 },
      mask: { area, alpha: Uint8Array.from({ length: pixels }, (_, i) => (seed + 7 * k + i) & 255) },
      input: Float32Array.from({ length: 6 }, (_, i) => seed + k + i / 8),
    };
  });
}

async function write(folder: string, all: readonly Picture[], header = HEADER): Promise<void> {
  const writer = await MaterialWriter.create(folder, header);
  try {
    for (const picture of all) await writer.add(picture);
    await writer.finish();
  } finally {
    await writer.close();
  }
}

function assertEqualTo(material: FaceMaterial, all: readonly Picture[]): void {
  assert.equal(material.frameCount, all.length);
  for (const [k, { box, mask, input }] of [...all.entries()].reverse()) {
    assert.deepEqual(material.box(k), box);
    assert.deepEqual(material.inputs(k), input);
    const read = material.mask(k);
    assert.deepEqual(read.area, mask.area);
    assert.deepEqual([...read.alpha], [...mask.alpha]);
  }
}

test('what was written comes back, in any order of asking', async (t) => {
  const folder = path.join(await temporaryFolder(t), 'avatar', 'musetalk');
  const all = pictures(5);
  await write(folder, all);
  const material = await openMaterial(folder, { frameCount: 5, key: KEY });
  assert.ok(material);
  t.after(() => material.close());
  assertEqualTo(material, all);
  assert.deepEqual((await readdir(folder)).sort(), ['inputs.f32', 'masks.u8', 'material.json']);
  assert.equal((await stat(path.join(folder, 'inputs.f32'))).size, 5 * 6 * 4);
  assert.equal((await readFile(path.join(folder, 'inputs.f32'))).readFloatLE(6 * 4), all[1]!.input[0]);
  const file = JSON.parse(await readFile(path.join(folder, 'material.json'), 'utf8')) as MaterialHeader;
  for (const [name, value] of Object.entries(HEADER))
    assert.deepEqual(file[name as keyof MaterialHeader], value);
});

test('a part of a larger array is written alone', async (t) => {
  const folder = path.join(await temporaryFolder(t), 'm');
  const large = Float32Array.from({ length: 30 }, (_, i) => i);
  const [picture] = pictures(1);
  await write(folder, [{ ...picture!, input: large.subarray(12, 18) }]);
  const material = await openMaterial(folder, { frameCount: 1, key: KEY });
  assert.deepEqual([...material!.inputs(0)], [12, 13, 14, 15, 16, 17]);
  material!.close();
});

test('inputs stay as they are whatever is asked next, also behind the end', async (t) => {
  const folder = path.join(await temporaryFolder(t), 'm');
  const all = pictures(3);
  await write(folder, all);
  const material = await openMaterial(folder, { frameCount: 3, key: KEY });
  const asked = [0, 1, 2, 0].map((index) => material!.inputs(index));
  asked[0]!.fill(NaN);
  material!.close();
  for (const [k, index] of [1, 2, 0].entries()) assert.deepEqual(asked[k + 1], all[index]!.input);
});

test('opening reads no inputs: they are in memory for one picture at a time', async (t) => {
  const folder = path.join(await temporaryFolder(t), 'm');
  await write(folder, pictures(4));
  const values = 4 * 1024 * 1024;
  const [file, inputsFile] = ['material.json', 'inputs.f32'].map((name) => path.join(folder, name));
  const text = await readFile(file!, 'utf8');
  await writeFile(file!, text.replace('"inputValues":6', `"inputValues":${values}`));
  await truncate(inputsFile!, 4 * 4 * values);
  const before = process.memoryUsage().arrayBuffers;
  const material = await openMaterial(folder, { frameCount: 4, key: KEY });
  t.after(() => material!.close());
  const grown = process.memoryUsage().arrayBuffers - before;
  assert.ok(grown < 2 * 1024 * 1024, `${grown} bytes for a file of 64 MB`);
  assert.equal(material!.inputs(3).length, values);
});

test('inputs that are cut off while they are open are told', async (t) => {
  const folder = path.join(await temporaryFolder(t), 'm');
  await write(folder, pictures(3));
  const material = await openMaterial(folder, { frameCount: 3, key: KEY });
  t.after(() => material!.close());
  await truncate(path.join(folder, 'inputs.f32'), 50);
  assert.deepEqual(material!.inputs(1), pictures(3)[1]!.input);
  assert.throws(() => material!.inputs(2), /inputs\.f32 ends within picture 2/);
});

test('nothing is there until it is whole, and nothing is left of what was given up', async (t) => {
  const parent = await temporaryFolder(t);
  const folder = path.join(parent, 'm');
  const writer = await MaterialWriter.create(folder, HEADER);
  await writer.add(pictures(1)[0]!);
  assert.equal(await openMaterial(folder, { frameCount: 1, key: KEY }), undefined);
  await writer.close();
  assert.deepEqual(await readdir(parent), []);
});

test('new material takes the place of the old; who has that open reads on', async (t) => {
  const parent = await temporaryFolder(t);
  const folder = path.join(parent, 'm');
  await write(folder, pictures(3));
  const old = await openMaterial(folder, { frameCount: 3, key: KEY });
  await write(folder, pictures(4, 50));
  const fresh = await openMaterial(folder, { frameCount: 4, key: KEY });
  assertEqualTo(old!, pictures(3));
  assertEqualTo(fresh!, pictures(4, 50));
  assert.deepEqual(await readdir(parent), ['m']);
  old!.close();
  fresh!.close();
});

test('leftovers of a process that is gone are swept, those of a living one are not', async (t) => {
  const parent = await temporaryFolder(t);
  await mkdir(path.join(parent, '.material-999999999-x'));
  await mkdir(path.join(parent, `.material-${process.ppid}-y`));
  await write(path.join(parent, 'm'), pictures(1));
  assert.deepEqual((await readdir(parent)).sort(), [`.material-${process.ppid}-y`, 'm']);
});

test('absent, or made otherwise: undefined, for the caller to prepare anew', async (t) => {
  const folder = path.join(await temporaryFolder(t), 'm');
  assert.equal(await openMaterial(folder, { frameCount: 2, key: KEY }), undefined);
  await write(folder, pictures(2));
  const other = materialKey({ ...HEADER, parsing: 'mesh' });
  assert.equal(await openMaterial(folder, { frameCount: 2, key: other }), undefined);
  const file = path.join(folder, 'material.json');
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replace('"version":1', '"version":0'));
  assert.equal(await openMaterial(folder, { frameCount: 2, key: KEY }), undefined);
});

test('what the reference prepared is current whatever the models, for its pictures and for MuseTalk alone', async (t) => {
  const folder = path.join(await temporaryFolder(t), 'm');
  const imported = { ...HEADER, modelHashes: {}, landmarks: BY_REFERENCE, parsing: BY_REFERENCE };
  const usable = async (header: MaterialHeader, expected: { frameCount: number; key: string }) => {
    await write(folder, pictures(3), header);
    const told = await isPrepared(folder, expected);
    const material = await openMaterial(folder, expected);
    material?.close();
    assert.equal(material !== undefined, told, 'what is told is what can be opened');
    return told;
  };
  const v1 = materialKey({ ...HEADER, parameters: { ...HEADER.parameters, version: 'v1' } });
  for (const key of [KEY, v1, materialKey(imported)])
    assert.equal(await usable(imported, { frameCount: 3, key }), true);
  assert.equal(await usable(imported, { frameCount: 4, key: KEY }), false);
  assert.equal(await usable({ ...imported, family: 'wav2lip' }, { frameCount: 3, key: KEY }), false);
  // Masks by another hand do not make it an import.
  assert.equal(await usable({ ...HEADER, parsing: BY_REFERENCE }, { frameCount: 3, key: KEY }), false);
  assert.equal(await usable(HEADER, { frameCount: 3, key: v1 }), false);
  assert.equal(await usable(HEADER, { frameCount: 3, key: KEY }), true);

  await write(folder, pictures(3), imported);
  const file = path.join(folder, 'material.json');
  const text = await readFile(file, 'utf8');
  for (const other of [text.replace('"version":1', '"version":2'), text.slice(0, -1), 'null', '{}']) {
    await writeFile(file, other);
    assert.equal(await isPrepared(folder, { frameCount: 3, key: KEY }), false, other.slice(0, 20));
  }
  assert.equal(await isPrepared(path.join(folder, 'nothing'), { frameCount: 3, key: KEY }), false);
});

test('damage is told in one sentence', async (t) => {
  const folder = path.join(await temporaryFolder(t), 'm');
  const file = (name: string): string => path.join(folder, name);
  const change = async (from: string, to: string): Promise<void> => {
    const text = await readFile(file('material.json'), 'utf8');
    assert.ok(text.includes(from), from);
    await writeFile(file('material.json'), text.replace(from, to));
  };
  const cases: [() => Promise<void>, RegExp][] = [
    [() => truncate(file('inputs.f32'), 47), /inputs\.f32 has 47 bytes, not 72/],
    [() => truncate(file('masks.u8'), 3), /masks\.u8 has 3 bytes, not 32/],
    [() => writeFile(file('material.json'), '{"version":1,'), /not JSON/],
    [() => writeFile(file('material.json'), 'null'), /not an object/],
    [() => change('"inputValues":6', '"inputValues":"6"'), /6 values a picture/],
    [() => change('"offset":8', '"offset":9'), /mask of picture 1 is not where/],
    [() => change('"x1":10', '"x1":0.5'), /picture 0 is no rectangle/],
    [() => change('"pictures":[{', '"pictures":[null,{'), /4 pictures where the avatar has 3/],
    [() => change('"pictures":[', '"pictures":1,"other":['), /lists no pictures/],
  ];
  for (const [damage, sentence] of cases) {
    await write(folder, pictures(3));
    await damage();
    await assert.rejects(
      openMaterial(folder, { frameCount: 3, key: KEY }),
      (error) => isAppError(error, 'avatar-not-ready') && sentence.test(error.message),
      String(sentence),
    );
  }
});

test('a picture that does not fit the header is refused; so is material without pictures', async (t) => {
  const writer = await MaterialWriter.create(path.join(await temporaryFolder(t), 'm'), HEADER);
  t.after(() => writer.close());
  const [picture] = pictures(1);
  await assert.rejects(writer.add({ ...picture!, input: new Float32Array(5) }), /5 input values \(not 6\)/);
  const mask = { ...picture!.mask, alpha: new Uint8Array(3) };
  await assert.rejects(writer.add({ ...picture!, mask }), /3 mask bytes \(not 8\)/);
  await assert.rejects(writer.finish(), /no picture/);
});

test('asking past the end, or after close, is refused', async (t) => {
  const folder = path.join(await temporaryFolder(t), 'm');
  await write(folder, pictures(2));
  const material = await openMaterial(folder, { frameCount: 2, key: KEY });
  for (const index of [-1, 2, 0.5]) {
    assert.throws(
      () => material!.mask(index),
      (error) => isAppError(error, 'invalid-argument'),
    );
    assert.throws(
      () => material!.inputs(index),
      (error) => isAppError(error, 'invalid-argument'),
    );
  }
  material!.close();
  material!.close();
  assert.throws(() => material!.box(0), /closed/);
});
