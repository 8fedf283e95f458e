/** What a session tells those who follow it. Times are media times, of the moment at which viewers hear what is told. */

/** When something is heard, in the units of all who may want to line it up. */
export interface HeardAt {
  /** Media time of the session, ms. */
  readonly mediaMs: number;
  /** RTP time stamps of that media time in the streams that viewers get (48 kHz and 90 kHz). */
  readonly rtp: { readonly audio: number; readonly video: number };
}

export type SpokenState = 'idle' | 'listening' | 'speaking';

export type InterruptReason = 'request' | 'replaced' | 'deleted' | 'voice';

interface EventOf<Name extends string, Data> {
  readonly event: Name;
  readonly data: Readonly<Data>;
}

export type SpeechEvent =
  | EventOf<'utterance.accepted', { utteranceId: string }>
  /** `fromMs` is above 0 where an interrupted utterance goes on. */
  | EventOf<'utterance.started', { utteranceId: string; fromMs: number } & HeardAt>
  /** A sentence begins to be heard, of speech that was made from text. */
  | EventOf<'utterance.text', { utteranceId: string; text: string } & HeardAt>
  | EventOf<'utterance.ended', { utteranceId: string; playedMs: number; interrupted: false } & HeardAt>
  | EventOf<
      'utterance.interrupted',
      { utteranceId: string; playedMs: number; reason: InterruptReason; resumable: boolean } & HeardAt
    >
  | EventOf<'utterance.failed', { utteranceId: string; playedMs: number; message: string } & HeardAt>
  | EventOf<'session.state', { state: SpokenState } & HeardAt>;

/** What viewers see, told when they do: the moment is that of the first picture that shows something of it. */
export type SceneEvent =
  | EventOf<'session.avatar', { avatar: string; before: string } & HeardAt>
  | EventOf<'action.started', { actionId: string; name: string } & HeardAt>
  /** The avatar itself comes back; `interrupted` where the action was not played to its end. */
  | EventOf<'action.ended', { actionId: string; name: string; interrupted: boolean } & HeardAt>;

export type SessionEvent =
  | SpeechEvent
  | SceneEvent
  | EventOf<'utterance.rendering', { utteranceId: string; progress: number }>
  /** It plays all the same, over the footage's own face. */
  | EventOf<'utterance.rendering-failed', { utteranceId: string; message: string }>
  /** After the count changed; a viewer that left is unknown by then. */
  | EventOf<'session.viewers', { viewers: number }>
  /** The file begins at this media time: what happens at `mediaMs` of an event is at the difference in the file. */
  | EventOf<'recording.started', { recordingId: string; mediaMs: number }>
  /** It can be fetched whole. */
  | EventOf<'recording.ended', { recordingId: string; reason: string; durationMs: number; sizeBytes: number }>
  /** It ends in so long, unless somebody uses it. */
  | EventOf<'session.ending', { reason: string; inMs: number }>
  | EventOf<'session.ended', { reason: string }>;

/** A session's event with its number, by which a client that was away asks for what it missed. */
export type NumberedEvent = SessionEvent & { readonly id: number };
