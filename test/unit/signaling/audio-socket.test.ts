import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { WebSocket } from 'ws';
import { AudioSocket } from '../../../signaling/audio/audio-socket.js';
import { parseAudioMessage, soundOf } from '../../../signaling/audio/audio-messages.js';
import { fakeServer, type FakeServer } from '../../helpers/fake-ports.js';

/** A client's socket that keeps what it is sent, and may stop reading. */
class FakeSocket extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  bufferedAmount = 0;
  isPaused = false;
  terminated = false;
  readonly sent: { type: string }[] = [];
  closed: number | undefined;
  send(text: string): void {
    this.sent.push(JSON.parse(text) as { type: string });
  }
  close(code: number): void {
    this.closed = code;
    this.readyState = 3;
    this.emit('close');
  }
  terminate(): void {
    this.terminated = true;
    this.close(1006);
  }
}

describe('AudioSocket', () => {
  let server: FakeServer;
  let socket: FakeSocket;
  beforeEach(async () => {
    server = await fakeServer();
    server.sessions.add('s1');
    socket = new FakeSocket();
    const ports = { sessions: server.sessions, talk: server.sessions };
    new AudioSocket(socket as unknown as WebSocket, ports, 's1');
  });
  afterEach(async () => {
    socket.emit('close');
    await server.close();
  });

  const event = (id: string) => ({ event: 'utterance.accepted', data: { utteranceId: id } }) as const;

  it('tells the session and all that happens in it', () => {
    server.sessions.emit(event('a'));
    assert.deepEqual(socket.sent, [
      { type: 'session.state_updated', state: 'connected' },
      { type: 'session.state', state: 'idle' },
      { type: 'utterance.accepted', id: 1, utteranceId: 'a' },
    ]);
  });

  it('gives a client up that does not read, and holds on to nothing of it', () => {
    socket.bufferedAmount = 300_000;
    server.sessions.emit(event('a'));
    assert.ok(socket.terminated);
    assert.equal(socket.sent.length, 2);
    assert.equal(server.sessions.listenerCount, 0);
  });

  it('says what it does not understand, and goes on', () => {
    for (const text of ['', 'null', '[]', '{"type":1}', '{"type":"start","sampleRate":0}', 'RIFF....WAVE'])
      socket.emit('message', Buffer.from(text), false);
    const errors = socket.sent.filter(({ type }) => type === 'session.error');
    assert.equal(errors.length, 6);
    assert.equal(socket.closed, undefined);
  });

  it('closes with its session', () => {
    server.sessions.emit({ event: 'session.ended', data: { reason: 'the end' } });
    assert.equal(socket.closed, 1000);
    assert.deepEqual(socket.sent.at(-1), { type: 'session.state_updated', state: 'closed' });
    assert.equal(server.sessions.listenerCount, 0);
  });
});

describe('messages', () => {
  it('know both spellings, defaults and limits', () => {
    const start = parseAudioMessage('{"type":"start","sampleRate":8000}');
    assert.ok(typeof start === 'object' && start.type === 'start');
    assert.deepEqual([start.role, start.mode, start.endAfterMs], ['speak', 'append', 800]);
    for (const type of ['keep-alive', 'agent.keepalive', 'session.keep_alive'])
      assert.equal(typeof parseAudioMessage(JSON.stringify({ type })), 'object', type);
    const long = JSON.stringify({ type: 'agent.speak', audio: '', event_id: 'x'.repeat(129) });
    assert.match(String(parseAudioMessage(long)), /^event_id: /);
  });

  it('take sound out of base64, and nothing else', () => {
    assert.deepEqual(soundOf('AQIDBA=='), Buffer.of(1, 2, 3, 4));
    assert.deepEqual(soundOf(''), Buffer.alloc(0));
    for (const wrong of ['A', 'AQI', 'AQ==AQ==', 'A-_=', 'AQID\n'])
      assert.equal(soundOf(wrong), undefined, wrong);
  });
});
