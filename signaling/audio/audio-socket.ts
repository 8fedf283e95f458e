import type { WebSocket } from 'ws';
import { isAppError, toAppError } from '../../src/errors.js';
import { HOLD_BACK_MS } from '../../src/session/speech/live-speaker.js';
import type { LiveListener } from '../../src/session/speech/live-listener.js';
import type { LiveSpeaker } from '../../src/session/speech/live-speaker.js';
import type { NumberedEvent, SessionsPort, TalkPort } from '../ports.js';
import { parseAudioMessage, soundOf, type AudioMessage } from './audio-messages.js';
import { eventMessages, type OutMessage } from './event-messages.js';

/** agent.speak names no rate. */
const LITE_RATE = 24_000;
const REPORT_EVERY_MS = 500;
/** A client that does not read is given up when so much waits for it. */
const MAX_UNREAD_BYTES = 262_144;
const PING_EVERY_MS = 20_000;

/** Why a socket was closed, beyond RFC 6455's own codes. */
export const CLOSE = {
  ended: 1000,
  badSound: 4400,
  unauthorized: 4401,
  unknownSession: 4404,
  notReading: 4408,
  senderExists: 4409,
  full: 4413,
} as const;

export interface SocketPorts {
  readonly sessions: SessionsPort;
  readonly talk: TalkPort;
}

/** One sender of live sound: feeds its session, and tells it what becomes of the speech. */
export class AudioSocket {
  readonly #socket: WebSocket;
  readonly #sessions: SessionsPort;
  readonly #talk: TalkPort;
  readonly #sessionId: string;
  #speaker: LiveSpeaker | undefined;
  #listener: LiveListener | undefined;
  /** agent.speak's own ids of utterances. */
  readonly #eventIds = new Map<string, string>();
  #eventId: string | undefined;
  #told: { hasRoom: boolean; receivedMs: number } = { hasRoom: true, receivedMs: 0 };
  #isAlive = true;
  readonly #off: (() => void)[] = [];

  /** @throws session-not-found */
  constructor(socket: WebSocket, { sessions, talk }: SocketPorts, sessionId: string) {
    this.#socket = socket;
    this.#sessions = sessions;
    this.#talk = talk;
    this.#sessionId = sessionId;
    const { state } = sessions.get(sessionId);
    this.#off.push(sessions.subscribe(sessionId, (event) => this.#onEvent(event)));
    const report = setInterval(() => this.#report(), REPORT_EVERY_MS);
    const ping = setInterval(() => this.#ping(), PING_EVERY_MS);
    this.#off.push(
      () => clearInterval(report),
      () => clearInterval(ping),
    );
    socket.on('message', (data: Buffer, isBinary) => this.#onMessage(data, isBinary));
    socket.on('pong', () => (this.#isAlive = true));
    socket.on('close', () => this.#closed());
    socket.on('error', () => {}); // `close` follows, with its code.
    this.#send({ type: 'session.state_updated', state: 'connected' });
    this.#send({ type: 'session.state', state: state === 'ended' ? 'idle' : state });
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    this.#isAlive = true;
    try {
      // Sound keeps a session alive when something is said in it; silence for an hour does not.
      if (isBinary) this.#onSound(data);
      else {
        this.#sessions.keepAlive(this.#sessionId);
        this.#onText(data.toString('utf8'));
      }
    } catch (error) {
      const { code, message } = toAppError(error);
      if (code === 'session-not-found') this.#fail(CLOSE.unknownSession, code, message);
      else if (code === 'sender-exists') this.#fail(CLOSE.senderExists, code, message);
      else if (code === 'invalid-argument') this.#fail(CLOSE.badSound, code, message);
      else if (code === 'internal') this.#fail(1011, code, 'the server failed; its log says why');
      else this.#send({ type: 'session.error', code, message });
    }
  }

  #onSound(bytes: Uint8Array): void {
    if (this.#listener !== undefined) {
      this.#listener.push(bytes);
      return;
    }
    if (this.#speaker === undefined) {
      const how = '{"type":"start","sampleRate":16000} goes before the first sound';
      this.#fail(CLOSE.badSound, 'not-announced', `nobody knows how this sound is to be read: ${how}`);
      return;
    }
    this.#speaker.push(bytes);
    this.#holdBack(this.#speaker);
  }

  /** TCP itself slows down who does not heed `hasRoom`. */
  #holdBack(speaker: LiveSpeaker): void {
    const { depthMs, hasRoom } = speaker.report;
    if (hasRoom !== this.#told.hasRoom) this.#report();
    if (depthMs < HOLD_BACK_MS || this.#socket.isPaused) return;
    this.#socket.pause();
    void speaker.room().then(() => {
      this.#socket.resume();
      this.#report();
    });
  }

  #onText(text: string): void {
    const message = parseAudioMessage(text);
    if (typeof message === 'string') this.#send({ type: 'session.error', code: 'invalid-message', message });
    else this.#obey(message);
  }

  #obey(message: AudioMessage): void {
    const id = this.#sessionId;
    switch (message.type) {
      case 'start':
        this.#start(message);
        return;
      case 'end':
        this.#speaker?.end();
        return;
      case 'interrupt':
      case 'agent.interrupt':
        void this.#interrupt(message.event_id);
        return;
      case 'resume':
        this.#send({ type: 'resumed', utterances: this.#talk.resume(id).resumed });
        return;
      case 'agent.speak':
        this.#speak(message.audio, message.event_id);
        return;
      case 'agent.speak_end':
        this.#speaker?.end();
        this.#eventId = undefined;
        this.#ack('agent.audio_buffer_committed', message.event_id);
        return;
      case 'agent.start_listening':
      case 'agent.stop_listening':
        this.#talk.setListening(id, message.type === 'agent.start_listening');
        return;
      case 'keep-alive':
      case 'agent.keepalive':
      case 'session.keep_alive':
        this.#ack('session.keepalive_ack', message.event_id);
        return;
      default:
        message satisfies never;
    }
  }

  #start(message: Start): void {
    const { sampleRate: rate, role, mode, endAfterMs } = message;
    const { bargeIn, detector, thresholdDbfs, minVoiceMs } = message;
    if (this.#speaker !== undefined || this.#listener !== undefined) {
      this.#send({ type: 'session.error', code: 'invalid-message', message: 'start was sent already' });
      return;
    }
    if (role === 'speak')
      this.#speaker = this.#talk.openSpeaker(this.#sessionId, {
        rate,
        mode,
        endAfterMs: endAfterMs ?? undefined,
      });
    else
      this.#listener = this.#talk.openListener(this.#sessionId, {
        ...{ rate, bargeIn, detector },
        ...(thresholdDbfs === undefined ? {} : { thresholdDbfs }),
        ...(minVoiceMs === undefined ? {} : { minVoiceMs }),
      });
    this.#send({ type: 'started', role, sampleRate: rate });
  }

  #speak(audio: string, eventId: string | undefined): void {
    const bytes = soundOf(audio);
    if (bytes === undefined) {
      this.#fail(CLOSE.badSound, 'invalid-argument', 'audio: is no base64');
      return;
    }
    this.#speaker ??= this.#talk.openSpeaker(this.#sessionId, { rate: LITE_RATE, endAfterMs: undefined });
    if (eventId !== this.#eventId) this.#speaker.end();
    this.#eventId = eventId;
    this.#speaker.push(bytes);
    const { utteranceId } = this.#speaker;
    if (utteranceId !== undefined && eventId !== undefined) this.#eventIds.set(utteranceId, eventId);
    this.#ack('agent.audio_buffer_appended', eventId);
    this.#holdBack(this.#speaker);
  }

  async #interrupt(eventId: string | undefined): Promise<void> {
    try {
      const stopping = this.#talk.interrupt(this.#sessionId);
      // What this sender sends from here on is meant to be heard.
      this.#speaker?.clear();
      this.#eventId = undefined;
      const stopped = await stopping;
      this.#ack('agent.audio_buffer_cleared', eventId);
      this.#send({ type: 'interrupted', ...stopped });
    } catch (error) {
      if (!isAppError(error, 'session-not-found')) throw error;
    }
  }

  #onEvent(event: NumberedEvent): void {
    for (const message of eventMessages(event, this.#eventIds)) this.#send(message);
    if (event.event !== 'session.ended') return;
    this.#send({ type: 'session.state_updated', state: 'closed' });
    this.#socket.close(CLOSE.ended, event.data.reason.slice(0, 100));
  }

  #report(): void {
    const report = this.#speaker?.report;
    if (report === undefined) return;
    const { receivedMs, hasRoom } = report;
    if (receivedMs === this.#told.receivedMs && hasRoom === this.#told.hasRoom) return;
    this.#told = { receivedMs, hasRoom };
    this.#send({ type: 'audio.buffer', ...report });
  }

  #ack(type: string, eventId: string | undefined): void {
    this.#send({ type, ...(eventId === undefined ? {} : { event_id: eventId }) });
  }

  #send(message: OutMessage): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#socket.bufferedAmount > MAX_UNREAD_BYTES) {
      // It would not read the reason either.
      this.#socket.terminate();
      return;
    }
    this.#socket.send(JSON.stringify(message));
  }

  #fail(closeCode: number, code: string, message: string): void {
    this.#send({ type: 'session.error', code, message });
    this.#socket.close(closeCode, message.slice(0, 100));
    this.#closed();
  }

  #ping(): void {
    if (!this.#isAlive) this.#socket.terminate();
    this.#isAlive = false;
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping();
  }

  #closed(): void {
    for (const off of this.#off.splice(0)) off();
    this.#socket.removeAllListeners('message');
    if (this.#speaker !== undefined) this.#talk.closeSpeaker(this.#sessionId, this.#speaker);
    if (this.#listener !== undefined) this.#talk.closeListener(this.#sessionId, this.#listener);
    this.#speaker = undefined;
    this.#listener = undefined;
  }
}

type Start = Extract<AudioMessage, { type: 'start' }>;
