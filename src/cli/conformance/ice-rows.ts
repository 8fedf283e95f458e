import type { Endpoint } from './endpoint-rows.js';
import { isClientError, mediaType, told, type Answer } from './http.js';
import { credentialsOf, GOOD_CANDIDATE, makeFragment, newCredentials, UNUSABLE_CANDIDATE } from './sdp.js';
import type { Viewer } from './viewer.js';

const FRAGMENT = 'application/trickle-ice-sdpfrag';
const TRICKLE = 'Trickle ICE';
const RESTART = 'ICE restarts';
/** A session may support neither, or one of them. */
const UNSUPPORTED: readonly number[] = [405, 422, 501];

/** Candidates by PATCH, and all the ways in which that is refused. */
export async function trickleRows(endpoint: Endpoint, viewer: Viewer): Promise<void> {
  const { rows } = endpoint;
  const patch = patcher(endpoint, viewer);
  const good = makeFragment(viewer.own, [GOOD_CANDIDATE]);
  const right = viewer.etag === undefined ? {} : { 'If-Match': viewer.etag };

  const taken = await patch(good, right);
  const question = { row: 'PATCH candidates', level: 'MUST', expected: '204', spec: TRICKLE } as const;
  const dependent = [
    { row: 'PATCH candidates: no body, no ETag', level: 'MUST', expected: 'neither', spec: TRICKLE },
    { row: 'PATCH unusable candidate', level: 'MUST', expected: '204, dropped silently', spec: TRICKLE },
    { row: 'PATCH without If-Match', level: 'MUST', expected: '428', spec: TRICKLE },
    { row: 'PATCH stale If-Match', level: 'MUST', expected: '412', spec: TRICKLE },
  ] as const;
  if (UNSUPPORTED.includes(taken.status)) {
    rows.warn(question, `${told(taken)}: trickling is not supported`);
    for (const one of dependent) rows.skip(one, 'trickling is not supported');
  } else {
    rows.judge(question, taken.status === 204, told(taken));
    const [silent, unusable, missing, stale] = dependent;
    rows.judge(silent, taken.body === '' && !taken.headers.has('etag'), told(taken, 'ETag'));
    const dropped = await patch(makeFragment(viewer.own, [UNUSABLE_CANDIDATE]), right);
    rows.judge(unusable, dropped.status === 204, told(dropped));
    const without = await patch(good, {});
    rows.judge(missing, without.status === 428, told(without));
    const old = await patch(good, { 'If-Match': '"of-another-session"' });
    rows.judge(stale, old.status === 412, told(old));
  }
  const wrongType = await patch(good, { ...right, 'Content-Type': 'text/plain' });
  rows.judge(
    { row: 'PATCH text/plain', level: 'MUST', expected: '4xx', spec: 'HTTP PATCH usage' },
    isClientError(wrongType),
    told(wrongType),
  );
  const malformed = await patch('this is no fragment', right);
  rows.judge(
    { row: 'PATCH malformed fragment', level: 'MUST', expected: '4xx', spec: 'HTTP PATCH usage' },
    isClientError(malformed),
    told(malformed),
  );
}

/** New credentials by PATCH; where there are none to be had, the old ICE session has to go on. */
export async function restartRows(endpoint: Endpoint, viewer: Viewer): Promise<void> {
  const { rows } = endpoint;
  const patch = patcher(endpoint, viewer);
  const good = makeFragment(viewer.own, [GOOD_CANDIDATE]);
  const right = viewer.etag === undefined ? {} : { 'If-Match': viewer.etag };

  const bare = await patch(makeFragment(newCredentials(), []).replace(/a=ice-(ufrag|pwd):.*\r\n/g, ''), {
    'If-Match': '*',
  });
  rows.judge(
    { row: 'PATCH restart without credentials', level: 'MUST', expected: '4xx', spec: RESTART },
    isClientError(bare),
    told(bare),
  );
  const next = newCredentials();
  const restarted = await patch(makeFragment(next, [GOOD_CANDIDATE]), { 'If-Match': '*' });
  const question = { row: 'PATCH restart', level: 'MUST', expected: '200', spec: RESTART } as const;
  const dependent = [
    { row: 'PATCH restart: Content-Type', level: 'MUST', expected: FRAGMENT, spec: RESTART },
    {
      row: 'PATCH restart: new ufrag and pwd',
      level: 'MUST',
      expected: 'differ from the old',
      spec: RESTART,
    },
    { row: 'PATCH restart: new ETag', level: 'MUST', expected: 'differs from the old', spec: RESTART },
    { row: 'PATCH candidates, ETag before restart', level: 'MUST', expected: '412', spec: RESTART },
    { row: 'PATCH candidates, ETag of restart', level: 'MUST', expected: '204', spec: RESTART },
  ] as const;
  if (UNSUPPORTED.includes(restarted.status)) {
    rows.warn(question, `${told(restarted)}: restarts are not supported`);
    for (const one of dependent) rows.skip(one, 'restarts are not supported');
    const kept = await patch(good, right);
    rows.judge(
      { row: 'PATCH refused restart: session kept', level: 'MUST', expected: 'not 404, 412', spec: RESTART },
      kept.status !== 0 && kept.status !== 404 && kept.status !== 412,
      told(kept),
    );
    return;
  }
  rows.judge(question, restarted.status === 200, told(restarted));
  const [type, credentials, tag, before, after] = dependent;
  rows.judge(type, mediaType(restarted) === FRAGMENT, told(restarted, 'Content-Type'));
  const [old, fresh] = [credentialsOf(viewer.answer.body), credentialsOf(restarted.body)];
  rows.judge(
    credentials,
    fresh !== undefined && fresh.ufrag !== old?.ufrag && fresh.pwd !== old?.pwd,
    fresh === undefined ? 'none' : `${old?.ufrag} -> ${fresh.ufrag}`,
  );
  const etag = restarted.headers.get('etag');
  rows.judge(tag, etag !== null && etag !== viewer.etag, `${viewer.etag} -> ${etag}`);
  const fragment = makeFragment(next, [GOOD_CANDIDATE]);
  const stale = await patch(fragment, right);
  rows.judge(before, stale.status === 412, told(stale));
  const trickled = await patch(fragment, etag === null ? {} : { 'If-Match': etag });
  rows.judge(after, trickled.status === 204, told(trickled));
}

function patcher({ ask }: Endpoint, { url }: Viewer) {
  return (body: string, headers: Record<string, string>): Promise<Answer> =>
    ask('PATCH', url, { headers: { 'Content-Type': FRAGMENT, ...headers }, body });
}
