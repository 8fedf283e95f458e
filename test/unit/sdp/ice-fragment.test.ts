import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readSdpFragment, writeSdpFragment } from '../../../src/sdp/ice-fragment.js';

const CANDIDATE = 'candidate:1 1 udp 2113937151 192.0.2.7 5000 typ host';

describe('ICE fragments', () => {
  it('reads that of RFC 8840 section 9: credentials, candidates, their end', () => {
    const text = [
      ...[
        'a=ice-ufrag:EsAw',
        'a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1',
        'm=audio 9 RTP/AVP 0',
        'a=mid:1',
        `a=${CANDIDATE}`,
      ],
      ...[
        'a=candidate:3471623853 1 tcp 1518280447 198.51.100.1 9 typ host tcptype active',
        'a=end-of-candidates',
        '',
      ],
    ].join('\r\n');
    const read = readSdpFragment(text);
    assert.deepEqual([read.ufrag, read.pwd], ['EsAw', 'P2uYro0UCOQ4zxjKXaWCBui1']);
    assert.equal(read.candidates.length, 2);
    assert.equal(read.candidates[0], CANDIDATE);
    assert.equal(read.endOfCandidates, true);
    assert.deepEqual(readSdpFragment(text.replaceAll('\r\n', '\n')), read);
  });

  it('takes what players leave out, and the same credentials in several sections', () => {
    assert.deepEqual(readSdpFragment(`a=${CANDIDATE}`), {
      ...{ ufrag: undefined, pwd: undefined, candidates: [CANDIDATE], endOfCandidates: false },
    });
    const twice = 'm=audio 9 X 0\r\na=ice-ufrag:ab\r\nm=video 9 X 0\r\na=ice-ufrag:ab\r\n';
    assert.equal(readSdpFragment(twice).ufrag, 'ab');
  });

  it('drops broken candidates and stops at 64', () => {
    const broken = ['a=candidate:', 'a=candidate:1 1 udp', 'a=candidate:1 x udp 1 192.0.2.1 5 typ host'].join(
      '\r\n',
    );
    assert.deepEqual(readSdpFragment(broken).candidates, []);
    const many = Array.from({ length: 200 }, () => `a=${CANDIDATE}`).join('\r\n');
    assert.equal(readSdpFragment(many).candidates.length, 64);
  });

  const refused: [string, string][] = [
    ['nothing', ''],
    ['blank lines', '\r\n\r\n'],
    ['no SDP', 'hello'],
    ['JSON', '{"candidate":"candidate:1"}'],
    ['two sessions at once', 'a=ice-ufrag:one\r\na=ice-ufrag:two\r\n'],
    ['two passwords', 'a=ice-pwd:one\r\na=ice-pwd:two\r\n'],
    ['too much', `a=${CANDIDATE}\r\n`.repeat(1000)],
  ];
  for (const [name, text] of refused)
    it(`refuses ${name}`, () => assert.throws(() => readSdpFragment(text), { code: 'sdp-invalid' }));

  it('reads back the answer to a restart', () => {
    const written = writeSdpFragment({
      ...{ kind: 'video', mid: '1', ufrag: 'new', pwd: 'secret', lite: true, candidates: [CANDIDATE] },
    });
    assert.deepEqual(readSdpFragment(written), {
      ...{ ufrag: 'new', pwd: 'secret', candidates: [CANDIDATE], endOfCandidates: true },
    });
    assert.match(written, /^a=ice-lite\r$/m);
    assert.match(written, /^m=video 9 \S+ 0\r\na=mid:1\r$/m);
  });
});
