import { randomUUID } from 'node:crypto';
import { isClientError, isSuccess, lists, mediaType, told, type Asker } from './http.js';
import type { Rows } from './rows.js';
import { makeOffer, newCredentials } from './sdp.js';

const SDP = { 'Content-Type': 'application/sdp' };

export interface Endpoint {
  readonly url: string;
  readonly ask: Asker;
  readonly rows: Rows;
  readonly hasToken: boolean;
}

/** What the endpoint says before anybody offers anything. */
export async function discoveryRows({ url, ask, rows }: Endpoint): Promise<void> {
  const preflight = await ask('OPTIONS', url, {
    withoutToken: true,
    headers: {
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'authorization,content-type',
    },
  });
  const usage = 'HTTP usage';
  rows.judge(
    { row: 'OPTIONS endpoint, no token', level: 'MUST', expected: '2xx', spec: usage },
    isSuccess(preflight),
    told(preflight),
  );
  rows.judge(
    { row: 'OPTIONS endpoint: Accept-Post', level: 'SHOULD', expected: 'application/sdp', spec: usage },
    lists(preflight, 'accept-post', ['application/sdp']),
    told(preflight, 'Accept-Post'),
  );
  rows.judge(
    { row: 'OPTIONS endpoint: CORS origin', level: 'SHOULD', expected: 'allowed', spec: usage },
    preflight.headers.has('access-control-allow-origin'),
    told(preflight, 'Access-Control-Allow-Origin'),
  );
  rows.judge(
    { row: 'OPTIONS endpoint: CORS methods', level: 'SHOULD', expected: 'POST, PATCH, DELETE', spec: usage },
    lists(preflight, 'access-control-allow-methods', ['POST', 'PATCH', 'DELETE']),
    preflight.headers.get('access-control-allow-methods') ?? 'absent',
  );
  // The wildcard does not cover Authorization (Fetch standard).
  rows.judge(
    {
      row: 'OPTIONS endpoint: CORS headers',
      level: 'SHOULD',
      expected: 'Authorization, Content-Type, If-Match',
      spec: usage,
    },
    lists(preflight, 'access-control-allow-headers', ['Authorization', 'Content-Type', 'If-Match']),
    preflight.headers.get('access-control-allow-headers') ?? 'absent',
  );

  const head = await ask('HEAD', url);
  rows.judge(
    { row: 'HEAD endpoint', level: 'SHOULD', expected: '200, application/sdp', spec: 'Discovery' },
    head.status === 200 && mediaType(head) === 'application/sdp',
    told(head, 'Content-Type'),
  );
  const get = await ask('GET', url);
  rows.judge(
    { row: 'GET endpoint', level: 'MUST', expected: '2xx, no content', spec: usage },
    isSuccess(get) && get.body === '',
    `${told(get)}, ${get.body.length} bytes`,
  );
}

/** Offers that are to be refused, each with its own status. */
export async function refusalRows({ url, ask, rows, hasToken }: Endpoint): Promise<void> {
  const setUp = 'Playback session set-up';
  const offer = makeOffer(newCredentials());
  const refused = async (
    row: string,
    should: readonly number[],
    init: { headers: Record<string, string>; body: string },
  ) => {
    const answer = await ask('POST', url, init);
    await dropViewer(ask, answer.headers.get('location'), url);
    rows.judge({ row, level: 'MUST', expected: '4xx', spec: setUp }, isClientError(answer), told(answer));
    rows.judge(
      { row: `${row}: status`, level: 'SHOULD', expected: should.join(' or '), spec: setUp },
      should.includes(answer.status),
      told(answer),
    );
  };
  await refused('POST text/plain', [415], { headers: { 'Content-Type': 'text/plain' }, body: offer });
  await refused('POST malformed SDP', [400], { headers: SDP, body: 'this is not SDP' });
  await refused('POST empty body', [400], { headers: SDP, body: '' });
  await refused('POST sendonly offer', [400, 422], {
    headers: SDP,
    body: makeOffer(newCredentials(), { direction: 'sendonly' }),
  });

  const foreign = await ask('POST', url, {
    headers: SDP,
    body: makeOffer(newCredentials(), { videoCodecs: ['X-UNKNOWN/90000'] }),
  });
  await dropViewer(ask, foreign.headers.get('location'), url);
  rows.judge(
    {
      row: 'POST no common video codec',
      level: 'SHOULD',
      expected: '422 or 400, never a bare 406',
      spec: 'No partial answers',
    },
    foreign.status === 422 || foreign.status === 400,
    told(foreign),
  );

  const unknown = unknownStream(url);
  const question = { row: 'POST unknown stream', level: 'SHOULD', expected: '404', spec: setUp } as const;
  if (unknown === undefined) rows.skip(question, 'the URL has no segment that could name a stream');
  else {
    const answer = await ask('POST', unknown, { headers: SDP, body: offer });
    rows.judge(question, answer.status === 404, told(answer));
  }

  const auth = 'Authentication';
  const protectedRow = { row: 'POST without token', level: 'MUST', expected: '401', spec: auth } as const;
  const challenge = {
    row: 'POST without token: WWW-Authenticate',
    level: 'MUST',
    expected: 'Bearer',
    spec: `${auth}, RFC 9110 11.6.1`,
  } as const;
  if (!hasToken) {
    for (const one of [protectedRow, challenge]) rows.skip(one, 'no --token given');
    return;
  }
  const bare = await ask('POST', url, { headers: SDP, body: offer, withoutToken: true });
  await dropViewer(ask, bare.headers.get('location'), url);
  rows.judge(protectedRow, bare.status === 401, told(bare));
  const schemes = bare.headers.get('www-authenticate') ?? '';
  rows.judge(challenge, /\bbearer\b/i.test(schemes), told(bare, 'WWW-Authenticate'));
}

/** A viewer that was made where none should have been must not stay. */
async function dropViewer(ask: Asker, location: string | null, base: string): Promise<void> {
  if (location !== null && URL.canParse(location, base)) await ask('DELETE', new URL(location, base).href);
}

/** The same URL with another stream's name in it; undefined if the path names none. */
function unknownStream(url: string): string | undefined {
  const changed = new URL(url);
  const segments = changed.pathname.split('/');
  const at = segments.findLastIndex((segment) => segment !== '' && !/^(whep|whip)$/i.test(segment));
  if (at < 0) return undefined;
  segments[at] = randomUUID();
  changed.pathname = segments.join('/');
  return changed.href;
}
