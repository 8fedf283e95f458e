import { lists, mediaType, told, type Answer } from './http.js';
import type { Endpoint } from './endpoint-rows.js';
import { makeOffer, newCredentials, sectionsOf, type Credentials } from './sdp.js';

const SET_UP = 'Playback session set-up';
const MAX_REDIRECTS = 3;

/** A viewer that the server made for us. It never sends a packet, so it lives until its ICE gives up. */
export interface Viewer {
  readonly url: string;
  readonly etag: string | undefined;
  /** Ours, that of the offer. */
  readonly own: Credentials;
  readonly answer: Answer;
}

/** Offers as a player does, and follows redirects as it must. Undefined if no viewer came of it. */
export async function openViewer({ url, ask, rows }: Endpoint): Promise<Viewer | undefined> {
  const own = newCredentials();
  const init = {
    headers: { 'Content-Type': 'application/sdp', Accept: 'application/sdp' },
    body: makeOffer(own),
  };
  let answer = await ask('POST', url, init);
  for (let n = 0; n < MAX_REDIRECTS && answer.status >= 300 && answer.status < 400; n += 1) {
    rows.judge(
      { row: 'POST: redirect', level: 'MUST', expected: '307 or 308', spec: 'Load balancing' },
      answer.status === 307 || answer.status === 308,
      told(answer, 'Location'),
    );
    const location = answer.headers.get('location');
    if (location === null) break;
    answer = await ask('POST', new URL(location, answer.url).href, init);
  }
  if (answer.status === 406 && mediaType(answer) === 'application/sdp') {
    rows.warn(
      { row: 'POST offer', level: 'MUST', expected: '201', spec: SET_UP },
      '406 with a counter-offer: the rest cannot be asked without a media stack',
    );
    return undefined;
  }
  rows.judge(
    { row: 'POST offer', level: 'MUST', expected: '201', spec: SET_UP },
    answer.status === 201,
    told(answer),
  );
  if (answer.status === 409 || answer.status === 503) {
    rows.judge(
      {
        row: `POST offer: Retry-After of ${answer.status}`,
        level: 'SHOULD',
        expected: 'present',
        spec: SET_UP,
      },
      answer.headers.has('retry-after'),
      told(answer, 'Retry-After'),
    );
  }
  const location = answer.headers.get('location');
  if (answer.status !== 201 || location === null || !URL.canParse(location, answer.url)) {
    if (answer.status === 201)
      rows.judge(
        { row: '201: Location', level: 'MUST', expected: 'a URL', spec: SET_UP },
        false,
        told(answer, 'Location'),
      );
    return undefined;
  }
  const etag = answer.headers.get('etag') ?? undefined;
  return { url: new URL(location, answer.url).href, etag, own, answer };
}

/** What the 201 must carry. `other` is a second viewer of the same stream. */
export function createdRows({ rows }: Endpoint, viewer: Viewer, other: Viewer | undefined): void {
  const { answer, url, etag } = viewer;
  rows.judge(
    { row: '201: Content-Type', level: 'MUST', expected: 'application/sdp', spec: SET_UP },
    mediaType(answer) === 'application/sdp',
    told(answer, 'Content-Type'),
  );
  rows.judge(
    { row: '201: Location of its own', level: 'MUST', expected: 'differs for each viewer', spec: SET_UP },
    other !== undefined && other.url !== url,
    new URL(url).pathname,
  );
  rows.judge(
    {
      row: '201: Location unguessable',
      level: 'SHOULD',
      expected: 'as random as a UUID v4',
      spec: 'Security considerations',
    },
    isUnguessable(url, other?.url),
    new URL(url).pathname,
  );
  const tagged = {
    row: '201: ETag',
    level: 'MUST',
    expected: 'strong and quoted',
    spec: 'ICE support',
  } as const;
  if (etag === undefined) rows.warn(tagged, 'absent: allowed if ICE restarts are not supported');
  else rows.judge(tagged, /^"[\x21\x23-\x7e]*"$/.test(etag), etag);
  rows.judge(
    {
      row: '201: CORS exposes',
      level: 'SHOULD',
      expected: 'Location, ETag, Link',
      spec: 'HTTP usage',
    },
    lists(answer, 'access-control-expose-headers', ['Location', 'ETag', 'Link']),
    answer.headers.get('access-control-expose-headers') ?? 'absent',
  );
  iceServerRow(viewer, rows);
  answerRows(answer.body, rows);
}

function iceServerRow({ answer }: Viewer, rows: Endpoint['rows']): void {
  const question = {
    row: '201: Link of ICE servers',
    level: 'MUST',
    expected: 'stun:/turn: with username, credential, credential-type',
    spec: 'STUN/TURN server configuration',
  } as const;
  const links = (answer.headers.get('link') ?? '')
    .split(/,\s*(?=<)/)
    .filter((link) => /rel="?ice-server"?/.test(link));
  if (links.length === 0) rows.skip(question, 'none given');
  else {
    const wrong = links.find(
      (link) =>
        !/^<stuns?:[^>]+>/.test(link) &&
        !(/^<turns?:[^>]+>/.test(link) && /;\s*username=/.test(link) && /;\s*credential=/.test(link)),
    );
    // The credentials themselves do not belong into a table that is passed on.
    rows.judge(
      question,
      wrong === undefined,
      `${links.length} given${wrong === undefined ? '' : ', one is wrong'}`,
    );
  }
}

function answerRows(sdp: string, rows: Endpoint['rows']): void {
  const sections = sectionsOf(sdp);
  const each = (row: string, level: 'MUST' | 'SHOULD', expected: string, spec: string, line: RegExp) => {
    const lacking = sections.filter((section) => !section.some((one) => line.test(one)));
    const got =
      sections.length === 0 ? 'no section' : `${sections.length - lacking.length} of ${sections.length}`;
    rows.judge({ row, level, expected, spec }, sections.length > 0 && lacking.length === 0, got);
  };
  each('answer: sendonly', 'MUST', 'each section', SET_UP, /^a=sendonly$/);
  each('answer: rtcp-mux', 'MUST', 'each section', 'SDP bundle', /^a=rtcp-mux/);
  each('answer: setup', 'MUST', 'active or passive', 'DTLS set-up role', /^a=setup:(active|passive)$/);
  const bundle = /^a=group:BUNDLE( \S+)+/m.exec(sdp)?.[0] ?? 'absent';
  rows.judge(
    { row: 'answer: BUNDLE', level: 'MUST', expected: 'all sections', spec: 'SDP bundle' },
    sections.length > 0 && bundle.split(' ').length - 1 === sections.length,
    bundle,
  );
  const candidates = sdp.match(/^a=candidate:/gm)?.length ?? 0;
  rows.judge(
    { row: 'answer: candidates', level: 'MUST', expected: 'all gathered', spec: 'Trickle ICE' },
    candidates > 0,
    `${candidates} candidates`,
  );
  const streams = sections.map((section) =>
    section.map((line) => /^a=msid:(\S+)/.exec(line)?.[1]).find(Boolean),
  );
  rows.judge(
    { row: 'answer: one MediaStream', level: 'MUST', expected: 'the same msid', spec: 'Single MediaStream' },
    new Set(streams).size === 1,
    streams.map((id) => id ?? 'none').join(', '),
  );
}

/** The part in which two viewers' URLs differ holds at least 122 bits, as written in hex or base64url. */
function isUnguessable(url: string, other: string | undefined): boolean {
  const known = new Set((other ?? '').split(/[/?&=]/));
  return url.split(/[/?&=]/).some((part) => !known.has(part) && /^(?=.{21,})[\w-]+$/.test(part));
}
