import type { NumberedEvent } from '../ports.js';

export type OutMessage = { readonly type: string } & Readonly<Record<string, unknown>>;

/**
 * A session's event in the words of the WebSocket: ours, and those of LiveAvatar's LITE mode before and since it tells
 * states instead of beginnings and ends. `eventIds` knows what a sender called its utterances.
 */
export function eventMessages(
  { event, data, id }: NumberedEvent,
  eventIds: Map<string, string>,
): OutMessage[] {
  const own = { type: event, id, ...data };
  switch (event) {
    case 'session.state':
      return [
        own,
        { type: 'agent.state_updated', state: data.state === 'speaking' ? 'talking' : data.state },
      ];
    case 'utterance.started':
      return [own, ...named('agent.speak_started', eventIds.get(data.utteranceId))];
    case 'utterance.ended':
    case 'utterance.interrupted':
    case 'utterance.failed': {
      const eventId = eventIds.get(data.utteranceId);
      // One that may go on has its end still before it.
      if (event !== 'utterance.interrupted' || !data.resumable) eventIds.delete(data.utteranceId);
      return [own, ...named('agent.speak_ended', eventId)];
    }
    case 'utterance.accepted':
    case 'utterance.text':
    case 'utterance.rendering':
    case 'utterance.rendering-failed':
    case 'session.avatar':
    case 'action.started':
    case 'action.ended':
    case 'recording.started':
    case 'recording.ended':
    case 'session.viewers':
    case 'session.ending':
    case 'session.ended':
      return [own];
    default:
      return event satisfies never;
  }
}

function named(type: string, eventId: string | undefined): OutMessage[] {
  return eventId === undefined ? [] : [{ type, event_id: eventId }];
}
