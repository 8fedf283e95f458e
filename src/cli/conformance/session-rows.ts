import { randomUUID } from 'node:crypto';
import type { Endpoint } from './endpoint-rows.js';
import { isSuccess, mediaType, told } from './http.js';
import { GOOD_CANDIDATE, makeFragment } from './sdp.js';
import type { Viewer } from './viewer.js';

const USAGE = 'HTTP usage';
const END = 'Playback session end';
const EVENTS = 'Server-sent events extension';

/** What the session resource answers while it lives. */
export async function livingRows({ ask, rows }: Endpoint, { url }: Viewer): Promise<void> {
  const preflight = await ask('OPTIONS', url, {
    withoutToken: true,
    headers: { 'Access-Control-Request-Method': 'PATCH', 'Access-Control-Request-Headers': 'if-match' },
  });
  rows.judge(
    { row: 'OPTIONS session, no token', level: 'MUST', expected: '2xx', spec: USAGE },
    isSuccess(preflight),
    told(preflight),
  );
  const get = await ask('GET', url);
  rows.judge(
    { row: 'GET session', level: 'MUST', expected: '2xx, no content', spec: USAGE },
    isSuccess(get) && get.body === '',
    `${told(get)}, ${get.body.length} bytes`,
  );
  const head = await ask('HEAD', url);
  rows.judge(
    { row: 'HEAD session', level: 'SHOULD', expected: '2xx', spec: USAGE },
    isSuccess(head),
    told(head),
  );
}

/** The end by DELETE, and that it is one. */
export async function endRows({ ask, rows, hasToken }: Endpoint, { url, own, etag }: Viewer): Promise<void> {
  const unknown = new URL(url);
  unknown.pathname = unknown.pathname.replace(/[^/]+$/, randomUUID());
  const stranger = await ask('DELETE', unknown.href);
  rows.judge(
    { row: 'DELETE unknown session', level: 'SHOULD', expected: '404', spec: END },
    stranger.status === 404,
    told(stranger),
  );
  const bareRow = {
    row: 'DELETE without token',
    level: 'MUST',
    expected: '401',
    spec: 'Authentication',
  } as const;
  if (!hasToken) rows.skip(bareRow, 'no --token given');
  else {
    const bare = await ask('DELETE', url, { withoutToken: true });
    rows.judge(bareRow, bare.status === 401, told(bare));
  }
  const ended = await ask('DELETE', url, { headers: { 'If-Match': '"of-another-session"' } });
  rows.judge(
    { row: 'DELETE session, stale If-Match', level: 'MUST', expected: '200, If-Match ignored', spec: END },
    ended.status === 200,
    told(ended),
  );
  const again = await ask('DELETE', url);
  rows.judge(
    { row: 'DELETE session again', level: 'SHOULD', expected: '404', spec: END },
    again.status === 404,
    told(again),
  );
  const patched = await ask('PATCH', url, {
    headers: {
      'Content-Type': 'application/trickle-ice-sdpfrag',
      ...(etag === undefined ? {} : { 'If-Match': etag }),
    },
    body: makeFragment(own, [GOOD_CANDIDATE]),
  });
  rows.judge(
    { row: 'PATCH after DELETE', level: 'SHOULD', expected: '404', spec: END },
    patched.status === 404,
    told(patched),
  );
}

/** The extension, where the 201 offers it. */
export async function eventRows({ ask, rows }: Endpoint, viewer: Viewer): Promise<void> {
  const { headers, url } = viewer.answer;
  const link = /<([^>]+)>[^<]*rel="?urn:ietf:params:whep:ext:core:server-sent-events"?[^<]*/.exec(
    headers.get('link') ?? '',
  );
  const question = {
    row: 'events: POST names',
    level: 'MUST',
    expected: '201, Location',
    spec: EVENTS,
  } as const;
  if (link?.[1] === undefined) {
    rows.skip(question, 'not offered');
    return;
  }
  const at = new URL(link[1], url).href;
  const names = /events="([^"]*)"/
    .exec(link[0])?.[1]
    ?.split(',')
    .map((name) => name.trim()) ?? ['active'];
  const post = (wanted: readonly string[]) =>
    ask('POST', at, { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(wanted) });
  const unknown = await post(['no-such-event']);
  rows.judge(
    { row: 'events: POST unknown name', level: 'MUST', expected: '400', spec: EVENTS },
    unknown.status === 400,
    told(unknown),
  );
  const made = await post(names);
  const location = made.headers.get('location');
  rows.judge(question, made.status === 201 && location !== null, told(made));
  if (location === null) return;
  const stream = new URL(location, at).href;
  const followed = await ask('GET', stream, { stream: true });
  rows.judge(
    { row: 'events: GET stream', level: 'MUST', expected: '200, text/event-stream', spec: EVENTS },
    followed.status === 200 && mediaType(followed) === 'text/event-stream',
    told(followed, 'Content-Type'),
  );
  const ended = await ask('DELETE', stream);
  rows.judge(
    { row: 'events: DELETE stream', level: 'MUST', expected: '2xx', spec: EVENTS },
    isSuccess(ended),
    told(ended),
  );
  const gone = await ask('GET', stream, { stream: true });
  rows.judge(
    { row: 'events: GET after DELETE', level: 'MUST', expected: '404', spec: EVENTS },
    gone.status === 404,
    told(gone),
  );
}
