import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fragmentOf, restartedAnswer } from '../../../web/src/ice-fragment.js';
import { ANSWER, OFFER } from '../../helpers/fake-ports.js';

test('a fragment holds the bundle-tagged section and nothing of the others', () => {
  const lines = fragmentOf(OFFER, ['candidate:9 1 udp 1 10.0.0.1 9 typ host', 'end-of-candidates']).split(
    '\r\n',
  );
  assert.deepEqual(lines, [
    'a=group:BUNDLE 0 1',
    'a=ice-ufrag:abcd',
    'a=ice-pwd:abcd000000000000000000',
    'm=audio 9 UDP/TLS/RTP/SAVPF 96',
    'a=mid:0',
    'a=candidate:9 1 udp 1 10.0.0.1 9 typ host',
    'a=end-of-candidates',
    '',
  ]);
});

test('a restarted answer has the new credentials everywhere, the new candidates once, and all else as it was', () => {
  const fragment =
    'a=ice-ufrag:new\r\na=ice-pwd:newpassword\r\nm=audio 9 X 0\r\na=candidate:7 1 udp 1 ::1 7 typ host\r\n';
  const answer = restartedAnswer(ANSWER, fragment);
  assert.equal(answer.match(/a=ice-ufrag:new\r\n/g)?.length, 2);
  assert.equal(answer.match(/a=ice-pwd:newpassword\r\n/g)?.length, 2);
  assert.deepEqual(answer.match(/a=candidate.*/g), ['a=candidate:7 1 udp 1 ::1 7 typ host']);
  assert.ok(answer.indexOf('a=candidate:7') < answer.indexOf('m=video'));
  const rest = (sdp: string): string[] =>
    sdp.split('\r\n').filter((line) => !/^a=(ice-|candidate|end-of-candidates)/.test(line));
  assert.deepEqual(rest(answer), rest(ANSWER));
  assert.throws(() => restartedAnswer(ANSWER, 'a=ice-ufrag:new\r\n'), /ice-pwd/);
});
