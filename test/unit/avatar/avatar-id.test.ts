import assert from 'node:assert/strict';
import { it } from 'node:test';
import { assertAvatarId } from '../../../src/avatar/avatar-id.js';

it('accepts names that are safe as a folder and in a URL', () => {
  for (const id of ['a', 'Anna-2', '7_of.9', 'x'.repeat(64)]) assertAvatarId(id);
});

it('refuses everything else', () => {
  for (const id of [
    '',
    '.',
    '..',
    '.hidden',
    '-rf',
    'a/b',
    'a\\b',
    '../x',
    'a b',
    'ä',
    'x\n',
    'x'.repeat(65),
    '%2e',
  ]) {
    assert.throws(() => assertAvatarId(id), { code: 'invalid-argument' }, JSON.stringify(id));
  }
});
