import assert from 'node:assert/strict';
import { test } from 'node:test';
import { relayAnswer, withoutCandidates } from '../../helpers/relayed-answer.js';

const answer = (...candidates: string[]): string =>
  [
    'v=0',
    'm=audio 9 UDP/TLS/RTP/SAVPF 111',
    'a=ice-ufrag:abcd',
    ...candidates,
    'a=end-of-candidates',
    'm=video 9 UDP/TLS/RTP/SAVPF 96',
    ...candidates,
    'a=mid:1',
    '',
  ].join('\r\n');

const HOST = 'a=candidate:1 1 udp 2130706431 192.0.2.7 40001 typ host';
const LOOPBACK = 'a=candidate:2 1 UDP 2130706175 127.0.0.1 40002 typ host generation 0';
const TCP = 'a=candidate:3 1 tcp 1015021823 127.0.0.1 5000 typ host tcptype passive';
const V6 = 'a=candidate:4 1 udp 2130706431 ::1 40004 typ host';

test('only the relay is left as a candidate; the way up is the loopback one', () => {
  const { sdp, upstream } = relayAnswer(answer(HOST, V6, TCP, LOOPBACK), 41_000);
  assert.deepEqual(upstream, { host: '127.0.0.1', port: 40_002 });
  const relay = 'a=candidate:1 1 udp 2130706431 127.0.0.1 41000 typ host';
  assert.equal(sdp, answer(relay));
});

test('a server that does not offer loopback is reached under its first address', () => {
  assert.deepEqual(relayAnswer(answer(V6, TCP, HOST), 41_000).upstream, { host: '192.0.2.7', port: 40_001 });
});

test('an answer without an address is refused', () => {
  assert.throws(() => relayAnswer(answer(TCP), 41_000), /no UDP host candidate/);
});

test('an offer loses its addresses and nothing else', () => {
  assert.equal(
    withoutCandidates('v=0\r\nm=audio 9 X 0\r\na=candidate:1 1 udp 1 x.local 9 typ host\r\na=mid:0\r\n'),
    'v=0\r\nm=audio 9 X 0\r\na=mid:0\r\n',
  );
});
