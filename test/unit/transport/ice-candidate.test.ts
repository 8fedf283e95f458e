import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { candidateLine, candidatePriority, readCandidate } from '../../../src/transport/ice-candidate.js';

describe('ICE candidates', () => {
  it('has the priority of RFC 8445 section 5.1.2.1: the 2130706431 that hosts with one address have', () => {
    assert.equal(candidatePriority('host', 65_535), 2_130_706_431);
    assert.ok(candidatePriority('prflx', 0) > candidatePriority('srflx', 65_535));
  });

  it('is written as RFC 8839 and RFC 6544 have it', () => {
    const host = { address: '192.0.2.1', port: 4000, priority: 7, type: 'host' } as const;
    assert.match(
      candidateLine({ ...host, protocol: 'udp' }),
      /^candidate:\d+ 1 udp 7 192\.0\.2\.1 4000 typ host$/,
    );
    assert.match(
      candidateLine({ ...host, protocol: 'tcp' }),
      / 1 tcp 7 192\.0\.2\.1 4000 typ host tcptype passive$/,
    );
    assert.deepEqual(readCandidate(candidateLine({ ...host, protocol: 'udp' })), {
      address: '192.0.2.1',
      port: 4000,
    });
  });

  const readable: [string, boolean][] = [
    ['candidate:1 1 UDP 1 192.0.2.1 9 typ host generation 0 ufrag ab', true],
    ['candidate:1 1 udp 1 2001:db8::1 5000 typ srflx raddr 0.0.0.0 rport 0', true],
    ['candidate:1 1 udp 1 4f2c1a.local 5000 typ host', false],
    ['candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active', false],
    ['candidate:1 2 udp 1 192.0.2.1 5000 typ host', false],
    ['candidate:1 1 udp 1 192.0.2.1 0 typ host', false],
    ['candidate:1 1 udp 1 192.0.2.1 65536 typ host', false],
    ['candidate:1 1 udp 1 192.0.2.1 1e3x typ host', false],
    ['candidate:1 1 udp 1 0.0.0.0 5000 typ host', false],
    ['candidate:1 1 udp 1 example.org 5000 typ host', false],
    ['candidate:1 1 udp', false],
    ['', false],
  ];
  for (const [line, usable] of readable)
    it(`${usable ? 'takes' : 'leaves out'} "${line}"`, () =>
      assert.equal(readCandidate(line) !== undefined, usable));
});
