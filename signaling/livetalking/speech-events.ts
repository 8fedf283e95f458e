import type { SessionEvent, SessionsPort } from '../ports.js';

/** What LiveTalking's clients are told: a stretch of speech begins or ends. Its text is empty where it was sound. */
export interface SpeechStatus {
  readonly status: 'start' | 'end';
  readonly text: string;
}

/**
 * A session's speech, sentence by sentence, when it is heard; `over` comes last. Returns what unsubscribes.
 * @throws session-not-found
 */
export function followSpeech(
  sessions: SessionsPort,
  sessionId: string,
  listener: (told: SpeechStatus | 'over') => void,
): () => void {
  /** What is heard now. */
  let text: string | undefined;
  /** An utterance began, and it is not known yet whether text is told of it. */
  let isUntold = false;
  /** What was cut off last, and goes on if its utterance does. */
  let cut: { readonly id: string; readonly text: string } | undefined;
  const start = (next: string): void => {
    isUntold = false;
    text = next;
    listener({ status: 'start', text: next });
  };
  const end = (): void => {
    if (isUntold) start('');
    if (text !== undefined) listener({ status: 'end', text });
    text = undefined;
  };
  const onEvent = ({ event, data }: SessionEvent): void => {
    if (event === 'utterance.started') {
      end();
      if (data.fromMs > 0 && cut?.id === data.utteranceId) start(cut.text);
      else {
        isUntold = true;
        // Its first sentence is told in the same turn.
        setImmediate(() => {
          if (isUntold) start('');
        });
      }
    } else if (event === 'utterance.text') {
      if (!isUntold) end();
      start(data.text);
    } else if (event === 'utterance.interrupted') {
      cut = { id: data.utteranceId, text: text ?? '' };
      end();
    } else if (event === 'utterance.ended' || event === 'utterance.failed') end();
    else if (event === 'session.ended') {
      end();
      listener('over');
    }
  };
  return sessions.subscribe(sessionId, onEvent);
}
