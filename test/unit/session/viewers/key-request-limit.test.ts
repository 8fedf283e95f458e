import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyRequestLimit } from '../../../../src/session/viewers/key-request-limit.js';

test('five in a row are allowed, and one a second from then on', () => {
  const limit = new KeyRequestLimit();
  const allowed = (nowMs: number, times: number) =>
    Array.from({ length: times }, () => limit.allows(nowMs)).filter(Boolean).length;
  assert.equal(allowed(1000, 20), 5);
  assert.equal(allowed(1900, 3), 0);
  assert.equal(allowed(2000, 3), 1);
  assert.equal(allowed(60_000, 20), 5);
});
