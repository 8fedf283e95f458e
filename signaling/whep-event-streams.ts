import { randomUUID } from 'node:crypto';
import { AppError } from '../src/errors.js';
import type { SessionEvent, SessionsPort } from './ports.js';
import { sseResponse } from './sse.js';

/**
 * The server-sent-events extension of WHEP: a viewer names the events it wants and gets the URL of a stream of them, which
 * ends with the viewer. The last two names are ours; players pass over names that they do not know.
 */
export const WHEP_EVENTS = ['active', 'inactive', 'viewercount', 'speech-started', 'speech-ended'] as const;
export type WhepEvent = (typeof WHEP_EVENTS)[number];

const MAX_STREAMS_PER_VIEWER = 4;

interface Stream {
  readonly sessionId: string;
  readonly peerId: string;
  readonly names: ReadonlySet<WhepEvent>;
  /** Ends the responses that are under way. */
  readonly ended: AbortController;
  off(): void;
}

interface Told {
  readonly name: WhepEvent;
  readonly data: Readonly<Record<string, number>>;
}

export class WhepEventStreams {
  readonly #sessions: SessionsPort;
  readonly #streams = new Map<string, Stream>();

  constructor(sessions: SessionsPort) {
    this.#sessions = sessions;
  }

  /** The id of a new stream; the viewer exists. @throws AppError session-not-found, no-capacity */
  create(sessionId: string, peerId: string, names: readonly WhepEvent[]): string {
    const own = [...this.#streams.values()].filter(
      (one) => one.peerId === peerId && one.sessionId === sessionId,
    );
    if (own.length >= MAX_STREAMS_PER_VIEWER)
      throw new AppError('no-capacity', `a viewer may have ${MAX_STREAMS_PER_VIEWER} event streams`);
    const id = randomUUID();
    const off = this.#sessions.subscribe(sessionId, (event) => {
      // The stream's own listeners still have to hear of the session's end, so nothing is cut here.
      if (event.event === 'session.ended') this.#forget(id);
      if (event.event === 'session.viewers' && this.#sessions.peerTag(sessionId, peerId) === undefined)
        this.delete(id, sessionId, peerId);
    });
    this.#streams.set(id, { sessionId, peerId, names: new Set(names), ended: new AbortController(), off });
    return id;
  }

  has(id: string, sessionId: string, peerId: string): boolean {
    const stream = this.#streams.get(id);
    return stream !== undefined && stream.sessionId === sessionId && stream.peerId === peerId;
  }

  /** Ends it; false if there is none. */
  delete(id: string, sessionId: string, peerId: string): boolean {
    if (!this.has(id, sessionId, peerId)) return false;
    this.#streams.get(id)?.ended.abort();
    this.#forget(id);
    return true;
  }

  /** Begins with how things stand: `active`, and how many watch. */
  response(id: string, options: { clientSignal: AbortSignal; keepAliveMs: number }): Response {
    const stream = this.#streams.get(id)!;
    const { sessionId, names, ended } = stream;
    return sseResponse<Told>(
      {
        subscribe: (listener) => {
          const tell = (told: Told): void => {
            if (names.has(told.name)) listener(told);
          };
          tell({ name: 'active', data: {} });
          tell({ name: 'viewercount', data: { viewercount: this.#sessions.get(sessionId).viewers } });
          return this.#sessions.subscribe(sessionId, (event) => {
            const told = translate(event);
            if (told !== undefined) tell(told);
            if (event.event === 'session.ended' && !names.has('inactive')) ended.abort();
          });
        },
        nameOf: ({ name }) => name,
        dataOf: ({ data }) => data,
        isLast: ({ name }) => name === 'inactive',
        limit: 64,
      },
      {
        clientSignal: AbortSignal.any([options.clientSignal, ended.signal]),
        keepAliveMs: options.keepAliveMs,
      },
    );
  }

  #forget(id: string): void {
    this.#streams.get(id)?.off();
    this.#streams.delete(id);
  }
}

function translate(event: SessionEvent): Told | undefined {
  switch (event.event) {
    case 'session.viewers':
      return { name: 'viewercount', data: { viewercount: event.data.viewers } };
    case 'session.state':
      return { name: event.data.state === 'speaking' ? 'speech-started' : 'speech-ended', data: {} };
    case 'session.ended':
      return { name: 'inactive', data: {} };
    case 'utterance.rendering':
    case 'utterance.rendering-failed':
    case 'session.avatar':
    case 'action.started':
    case 'action.ended':
    case 'recording.started':
    case 'recording.ended':
    case 'session.ending':
    case 'utterance.accepted':
    case 'utterance.started':
    case 'utterance.text':
    case 'utterance.ended':
    case 'utterance.interrupted':
    case 'utterance.failed':
      return undefined;
  }
}
