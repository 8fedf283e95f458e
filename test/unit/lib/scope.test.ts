import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Scope } from '../../../src/lib/scope.js';

test('steps run once, in reverse, all of them, and the first failure is told', async () => {
  const scope = new Scope();
  const ran: number[] = [];
  scope.defer(() => ran.push(1));
  scope.defer(() => {
    ran.push(2);
    throw new Error('two');
  });
  scope.defer(async () => {
    await Promise.resolve();
    ran.push(3);
  });
  await assert.rejects(scope.close(), /two/);
  await assert.rejects(scope.close(), /two/);
  assert.deepEqual(ran, [3, 2, 1]);
});
