import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_FACE_PARAMETERS, type FaceParameters } from '../../../../src/engine/faces/face-material.js';
import { materialKey, type MaterialOrigin } from '../../../../src/engine/faces/material-file.js';

const ORIGIN: MaterialOrigin = {
  family: 'musetalk',
  parameters: DEFAULT_FACE_PARAMETERS,
  modelHashes: { landmarker: 'aa', vaeEncoder: 'bb' },
  landmarks: 'dwpose',
  parsing: 'parsing',
};
const KEY = materialKey(ORIGIN);

/** Which parameters, changed one by one, give another key beside these. */
function keyedOf(base: Partial<FaceParameters>): string[] {
  const parameters = { ...DEFAULT_FACE_PARAMETERS, ...base };
  const other: Omit<FaceParameters, 'version' | 'parsingMode'> = {
    bboxShiftPx: parameters.bboxShiftPx + 1,
    extraMarginPx: parameters.extraMarginPx + 1,
    leftCheekWidthPx: parameters.leftCheekWidthPx + 1,
    rightCheekWidthPx: parameters.rightCheekWidthPx + 1,
    smoothBoxes: !parameters.smoothBoxes,
  };
  const key = materialKey({ ...ORIGIN, parameters });
  return Object.entries(other)
    .filter(
      ([name, value]) => materialKey({ ...ORIGIN, parameters: { ...parameters, [name]: value } }) !== key,
    )
    .map(([name]) => name);
}

test('everything that material is made by is part of the key, the order of its names is not', () => {
  const { modelHashes, parameters } = ORIGIN;
  const others: MaterialOrigin[] = [
    { ...ORIGIN, family: 'wav2lip' },
    { ...ORIGIN, landmarks: 'mesh' },
    { ...ORIGIN, parsing: 'mesh' },
    { ...ORIGIN, modelHashes: { ...modelHashes, vaeEncoder: 'bc' } },
    { ...ORIGIN, modelHashes: { ...modelHashes, extra: '' } },
    { ...ORIGIN, encoding: { faceSidePx: 96, channelOrder: 'bgr' } },
    { ...ORIGIN, encoding: { faceSidePx: 96, channelOrder: 'rgb' } },
    { ...ORIGIN, encoding: { faceSidePx: 256, channelOrder: 'bgr' } },
    { ...ORIGIN, parameters: { ...parameters, version: 'v1' } },
    { ...ORIGIN, parameters: { ...parameters, parsingMode: 'raw' } },
    { ...ORIGIN, parameters: { ...parameters, parsingMode: 'neck' } },
  ];
  const keys = [ORIGIN, ...others].map(materialKey);
  assert.equal(new Set(keys).size, keys.length);
  assert.equal(Object.keys(parameters).length, 7, 'a new parameter needs its place here and in the key');
  const reversed = Object.fromEntries(Object.entries(modelHashes).reverse());
  assert.equal(materialKey({ ...ORIGIN, modelHashes: reversed }), KEY);
  assert.match(KEY, /^[0-9a-f]{64}$/);
});

test('a parameter that has no effect beside the others leaves the key as it is', () => {
  assert.deepEqual(keyedOf({}), ['extraMarginPx', 'leftCheekWidthPx', 'rightCheekWidthPx', 'smoothBoxes']);
  for (const parsingMode of ['raw', 'neck'] as const)
    assert.deepEqual(keyedOf({ parsingMode }), ['extraMarginPx', 'smoothBoxes'], parsingMode);
  assert.deepEqual(keyedOf({ version: 'v1' }), ['bboxShiftPx', 'smoothBoxes']);
  const v1 = { ...DEFAULT_FACE_PARAMETERS, version: 'v1' as const };
  const [jaw, neck] = (['jaw', 'neck'] as const).map((parsingMode) =>
    materialKey({ ...ORIGIN, parameters: { ...v1, parsingMode } }),
  );
  assert.equal(jaw, neck, 'v1 has raw masks whatever the mode');
});
