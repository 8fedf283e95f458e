import assert from 'node:assert/strict';
import { test } from 'node:test';
import { iceServerLinks } from '../../../signaling/ice-servers.js';
import { iceServersOf } from '../../../web/src/link-header.js';

test('what the server writes, the player reads', () => {
  const turn = { username: 'a "quoted", b', credential: 'c\\d;e' };
  const urls = ['stun:one:3478', 'turn:two:3478?transport=udp', 'turns:three:5349'];
  const header = [...iceServerLinks({ urls, turn }, 'p1', 0), '</events>; rel="urn:x"; events="a,b"'].join(
    ', ',
  );
  assert.deepEqual(iceServersOf(header), [
    { urls: 'stun:one:3478' },
    { urls: 'turn:two:3478?transport=udp', ...turn },
    { urls: 'turns:three:5349', ...turn },
  ]);
});

test('other spellings, other links and no links', () => {
  assert.deepEqual(
    iceServersOf('<stun:a>;rel=ice-server,<turn:b> ; REL="ice-server" ; username=u;credential=c'),
    [{ urls: 'stun:a' }, { urls: 'turn:b', username: 'u', credential: 'c' }],
  );
  assert.deepEqual(iceServersOf('<https://a>; rel="ice-server", <stun:b>; rel="next"'), []);
  assert.deepEqual(iceServersOf('nonsense'), []);
  assert.deepEqual(iceServersOf(null), []);
});
