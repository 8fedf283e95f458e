import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeOffer, newCredentials } from '../../src/cli/conformance/sdp.js';
import { whepMatrix } from '../../src/cli/conformance/whep-matrix.js';
import { postJsonTo, startTestServer, type TestServer } from '../helpers/server.js';

/** The HTTP side of WHEP over real sessions. */

const TOKEN = 'full-token-1';
let server: TestServer;
let session = '';
before(async () => {
  server = await startTestServer(['--workers', '1', '--auth-token', TOKEN]);
  const { json } = await postJsonTo(server, `/v1/sessions?token=${TOKEN}`, { avatar: 'demo' });
  session = String(json['id']);
});
after(() => server.close());

test('the conformance suite finds nothing that must not be', async () => {
  const rows = await whepMatrix(`${server.url}/whep/${session}`, TOKEN);
  assert.deepEqual(
    rows.all.filter(({ verdict }) => verdict === 'fail'),
    [],
  );
  assert.ok(rows.count('pass') > 50);
});

test('a viewer hears of speech, of viewers and of the end', async () => {
  const offer = {
    method: 'POST',
    headers: { 'content-type': 'application/sdp' },
    body: makeOffer(newCredentials()),
  };
  const answer = await fetch(`${server.url}/whep/${session}?token=${TOKEN}`, offer);
  assert.equal(answer.status, 201, await answer.text());
  const at = /<([^>]+)>; rel="urn:ietf:params:whep:ext:core:server-sent-events"/.exec(
    answer.headers.get('link') ?? '',
  )?.[1];
  const events = new URL(at ?? assert.fail('no Link'), server.url).href;
  const names = ['viewercount', 'speech-started', 'inactive'];
  const asked = await fetch(events, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(names),
  });
  const stream = await fetch(new URL(asked.headers.get('location') ?? '', server.url));
  const text = stream.text();
  const said = await postJsonTo(server, `/v1/sessions/${session}/utterances?token=${TOKEN}`, { demo: true });
  assert.equal(said.status, 201);
  const other = await fetch(`${server.url}/whep/${session}?token=${TOKEN}`, offer);
  assert.equal(other.status, 201, await other.text());
  const state = async (): Promise<string> =>
    ((await (await fetch(`${server.url}/v1/sessions/${session}?token=${TOKEN}`)).json()) as { state: string })
      .state;
  while ((await state()) !== 'speaking') await new Promise((resolve) => setTimeout(resolve, 20));
  const gone = new URL(other.headers.get('location') ?? '', server.url);
  assert.equal((await fetch(gone, { method: 'DELETE' })).status, 200);
  const ended = await fetch(`${server.url}/v1/sessions/${session}?token=${TOKEN}`, { method: 'DELETE' });
  assert.equal(ended.status, 204);
  const told = [...(await text).matchAll(/^event: (\S+)\ndata: (.*)$/gm)].map(
    ([, name, data]) => `${name} ${data}`,
  );
  assert.equal(told[0], 'viewercount {"viewercount":1}');
  assert.ok(told.includes('viewercount {"viewercount":2}'), told.join('; '));
  assert.ok(told.includes('speech-started {}'), told.join('; '));
  assert.equal(told.at(-1), 'inactive {}');
});
