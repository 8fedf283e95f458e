import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { AppError } from '../../../src/errors.js';
import { fakeServer, type FakeServer } from '../../helpers/fake-ports.js';

describe('GET /v1/diagnose', () => {
  let server: FakeServer;
  beforeEach(async () => void (server = await fakeServer()));
  afterEach(() => server.close());

  it('answers with what was found and is not kept by caches', async () => {
    const response = await server.app.request('/v1/diagnose');
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('cache-control'), 'no-store');
    const { checks, summary, icePort } = (await response.json()) as Record<string, unknown>;
    assert.deepEqual(checks, [{ name: 'session', ok: true, ms: 3, detail: 'fine' }]);
    assert.deepEqual([summary, icePort], [['fine'], 40_000]);
  });

  it('refuses a second one at a time with 429 and when to come back', async () => {
    server.diagnosis.run = () =>
      Promise.reject(new AppError('no-capacity', 'a diagnosis is running already'));
    const response = await server.app.request('/v1/diagnose');
    assert.equal(response.status, 429);
    assert.equal(response.headers.get('retry-after'), '10');
    assert.equal(((await response.json()) as { code: string }).code, 'too-many-requests');
  });
});
