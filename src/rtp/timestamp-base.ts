import { createHash } from 'node:crypto';

/**
 * What a session's RTP time stamps begin with (RFC 3550 section 5.1: random, so that known plain text does not help
 * against weak encryption; ids of sessions are random, too). The same for all viewers of a session, so that one event can
 * name the time stamp of its moment to all of them.
 */
export function timestampBaseOf(sessionId: string, kind: 'audio' | 'video'): number {
  return createHash('sha256').update(`${kind} ${sessionId}`).digest().readUInt32BE(0);
}
