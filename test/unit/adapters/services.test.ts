import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { ChatService } from '../../../src/adapters/chat-service.js';
import { endpointOf, SpeechService } from '../../../src/adapters/speech-service.js';
import { isAppError } from '../../../src/errors.js';
import { startServer, type Handler } from '../../helpers/file-server.js';

const KEY = 'sk-secret-key';
const never = (): AbortSignal => new AbortController().signal;

async function speech(t: TestContext, handler: Handler, limits = {}): Promise<() => Promise<string>> {
  const url = await startServer(t, handler);
  const service = new SpeechService({ url, key: KEY, model: 'm', voice: 'v', format: 'pcm', limits });
  return async () => {
    const { bytes } = await service.speak('Hello.', { signal: never() });
    let text = '';
    for await (const part of bytes) text += Buffer.from(part).toString();
    return text;
  };
}

/** Answers the first request so, and the others well. */
function firstly(first: Handler): { handler: Handler; count: () => number } {
  let count = 0;
  const handler = (request: IncomingMessage, response: ServerResponse): void => {
    count += 1;
    if (count === 1) first(request, response);
    else response.end('sound');
  };
  return { handler, count: () => count };
}

describe('a speech service', () => {
  it('may be named by its base or its endpoint', () => {
    for (const url of ['http://x/v1', 'http://x/v1/', 'http://x/v1/audio/speech'])
      assert.equal(endpointOf(url, '/audio/speech'), 'http://x/v1/audio/speech');
    assert.equal(endpointOf('http://x/v1?version=2', '/audio/speech'), 'http://x/v1/audio/speech?version=2');
  });

  it('is asked once more when the line breaks, or when it says that it is busy', async (t) => {
    for (const first of [
      (_: unknown, response: ServerResponse) => void response.destroy(),
      (_: unknown, response: ServerResponse) => void response.writeHead(429, { 'retry-after': '0' }).end(),
      (_: unknown, response: ServerResponse) => void response.writeHead(503, { 'retry-after': '0.01' }).end(),
    ]) {
      const { handler, count } = firstly(first);
      assert.equal(await (await speech(t, handler))(), 'sound');
      assert.equal(count(), 2);
    }
  });

  it('is not asked again after a refusal, or when it asks for minutes of patience, and not twice', async (t) => {
    const refused = async (answer: Handler, why: RegExp, times: number): Promise<void> => {
      let count = 0;
      const ask = await speech(t, (request, response) => {
        count += 1;
        answer(request, response);
      });
      await assert.rejects(ask, (error) => isAppError(error, 'service-failed') && why.test(error.message));
      assert.equal(count, times, String(why));
    };
    await refused(
      (_, response) => void response.writeHead(400).end('{"detail":"no such\\nvoice"}'),
      /answered 400: no such voice$/,
      1,
    );
    await refused(
      (_, response) => void response.writeHead(500).end('<html>long page</html>'),
      /answered 500$/,
      1,
    );
    await refused(
      (_, response) => void response.writeHead(429, { 'retry-after': '600' }).end(),
      /answered 429$/,
      1,
    );
    await refused(
      (_, response) => void response.writeHead(429, { 'retry-after': '0' }).end(),
      /answered 429$/,
      2,
    );
    await refused((_, response) => void response.destroy(), /cannot be reached/, 2);
    await refused(
      (_, response) => void response.writeHead(401).end(`bad key ${KEY}`),
      /refuses the key it was given \(401\)$/,
      1,
    );
    await refused(
      (_, response) => void response.writeHead(500).end(`{"error":"bad ${KEY}"}`),
      /answered 500: bad \*\*\*$/,
      1,
    );
    await refused(
      (_, response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      /answered 302$/,
      1,
    );
  });

  it('that nobody can reach, is silent, or breaks off, says so', async (t) => {
    const gone = new SpeechService({ url: 'http://127.0.0.1:9', model: 'm', voice: 'v', format: 'pcm' });
    await assert.rejects(gone.speak('Hi.', { signal: never() }), /the speech service cannot be reached: /);
    const silent = await speech(t, () => {}, { answerLimitMs: 50 });
    await assert.rejects(silent, (error) => isAppError(error, 'timeout') && /0\.05 s/.test(error.message));
    const stalls = await speech(t, (_, response) => void response.write('so'), { stallLimitMs: 50 });
    await assert.rejects(stalls, (error) => isAppError(error, 'timeout'));
    const breaks = await speech(t, (_, response) => void response.write('so', () => response.destroy()));
    await assert.rejects(breaks, /the speech service broke off/);
  });

  it('is left in peace when nobody wants to hear it any more', async (t) => {
    let close = (): void => {};
    const closed = new Promise<void>((resolve) => (close = resolve));
    const url = await startServer(t, (_, response) => {
      response.on('close', close);
      response.write('some');
    });
    const service = new SpeechService({ url, model: 'm', voice: 'v', format: 'pcm' });
    const abort = new AbortController();
    const { bytes } = await service.speak('Hello.', { signal: abort.signal });
    const parts: Uint8Array[] = [];
    for await (const part of bytes) {
      parts.push(part);
      abort.abort();
    }
    assert.equal(Buffer.concat(parts).toString(), 'some', 'it just ends');
    await closed;
  });
});

describe('a chat service', () => {
  const answer = async (t: TestContext, handler: Handler): Promise<string[]> => {
    const service = new ChatService({ url: await startServer(t, handler), model: 'm' });
    const pieces: string[] = [];
    for await (const piece of service.answer([{ role: 'user', content: 'Hi' }], never())) pieces.push(piece);
    return pieces;
  };
  const delta = (content: string): string =>
    `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;

  it('streams its answer, cut anywhere', async (t) => {
    const bytes = Buffer.from(
      `: comment\r\n\r\n${delta('Grüße, ')}data: {"choices":[]}\n\n${delta('世界')}event: x\ndata:[DONE]\n\n${delta('late')}`,
    );
    for (const size of [1, 3, 7, 1000]) {
      const pieces = await answer(t, (_, response) => {
        response.setHeader('content-type', 'text/event-stream');
        for (let at = 0; at < bytes.length; at += size) response.write(bytes.subarray(at, at + size));
        response.end();
      });
      assert.deepEqual(pieces, ['Grüße, ', '世界'], `in pieces of ${size}`);
    }
  });

  it('need not stream', async (t) => {
    const pieces = await answer(t, (_, response) => {
      response.setHeader('content-type', 'application/json');
      response.end('{"choices":[{"message":{"role":"assistant","content":"All at once."}}]}');
    });
    assert.deepEqual(pieces, ['All at once.']);
  });

  it('that fails in the middle, talks nonsense or says nothing, says so', async (t) => {
    const fails = async (text: string, why: RegExp, type = 'text/event-stream'): Promise<void> => {
      const asked = answer(t, (_, response) => void response.setHeader('content-type', type).end(text));
      await assert.rejects(asked, (error) => isAppError(error, 'service-failed') && why.test(error.message));
    };
    await fails(`${delta('So')}data: {"error":{"message":"overloaded"}}\n\n`, /failed: overloaded/);
    await fails('data: nonsense\n\n', /not JSON/);
    await fails('data: [DONE]\n\n', /gave no answer/);
    await fails('null', /gave no answer/, 'application/json');
    await fails(`data: ${'x'.repeat(2 ** 20 + 10)}`, /longer than 1 MiB/);
  });

  it('is cut after 20,000 characters', async (t) => {
    const pieces = await answer(t, (_, response) => {
      response.setHeader('content-type', 'text/event-stream');
      for (let i = 0; i < 30; i += 1) response.write(delta('x'.repeat(1000)));
      response.end('data: [DONE]\n\n');
    });
    assert.equal(pieces.join('').length, 20_000);
  });
});
