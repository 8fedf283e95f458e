import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { readOffer } from '../../../../src/sdp/offer.js';
import { IceSession } from '../../../../src/session/viewers/ice-session.js';
import type { IceCredentials } from '../../../../src/transport/ice-agent.js';
import { CHROMIUM_OFFER } from '../../../helpers/offers.js';

const CANDIDATE = 'candidate:1 1 udp 2130706431 127.0.0.1 5000 typ host';
const fragment = (ufrag: string, pwd?: string): string =>
  [
    `a=ice-ufrag:${ufrag}`,
    ...(pwd === undefined ? [] : [`a=ice-pwd:${pwd}`]),
    'm=audio 9 UDP/TLS/RTP/SAVPF 0',
    'a=mid:0',
    `a=${CANDIDATE}`,
    '',
  ].join('\r\n');
const PWD = 'abcdefghijklmnopqrstuvwx';

describe('IceSession', () => {
  const offer = readOffer(CHROMIUM_OFFER);
  const [ufrag = ''] = offer.ufrags;
  let candidates: string[];
  let restarts: IceCredentials[];
  let session: IceSession;
  beforeEach(() => {
    candidates = [];
    restarts = [];
    session = new IceSession({
      ...{ peerId: 'p', offer, candidates: [], lite: false },
      transport: {
        addCandidate: (line) => candidates.push(line),
        restartIce(remote) {
          restarts.push(remote);
          return { ufrag: `ours${restarts.length}`, pwd: 'ours' };
        },
      },
    });
  });

  it('takes candidates of the session that was offered, and of none else', () => {
    session.addCandidates(fragment(ufrag));
    assert.deepEqual(candidates, [CANDIDATE]);
    assert.throws(() => session.addCandidates(fragment('other')), { code: 'not-supported' });
    assert.equal(candidates.length, 1);
  });

  it('restarts with new credentials and another tag; the same again gets the same answer', () => {
    const { etag } = session;
    const answer = session.restart(fragment('new1', PWD));
    assert.deepEqual(restarts, [{ ufrag: 'new1', pwd: PWD }]);
    assert.match(answer, /a=ice-ufrag:ours1\r\n/);
    const restarted = session.etag;
    assert.notEqual(restarted, etag);
    assert.equal(session.restart(fragment('new1', PWD)), answer);
    assert.deepEqual([restarts.length, session.etag], [1, restarted]);
    session.addCandidates(fragment('new1'));
  });

  it('refuses a restart without credentials, or with used ones', () => {
    assert.throws(() => session.restart(fragment('new1')), { code: 'sdp-invalid' });
    assert.throws(() => session.restart(fragment(ufrag, PWD)), { code: 'sdp-invalid' });
    assert.deepEqual(restarts, []);
  });
});
