import { OPUS_CLOCK_RATE, rtpTimestamp, samplesToMs, VIDEO_CLOCK_RATE } from '../../media/timeline.js';
import { timestampBaseOf } from '../../rtp/timestamp-base.js';
import type { HeardAt } from './session-events.js';

/** Names a session's media times in all units. */
export function heardAtOf(sessionId: string): (samples: number) => HeardAt {
  const bases = { audio: timestampBaseOf(sessionId, 'audio'), video: timestampBaseOf(sessionId, 'video') };
  return (samples) => ({
    mediaMs: round(samplesToMs(samples)),
    rtp: {
      audio: rtpTimestamp(samples, OPUS_CLOCK_RATE, bases.audio),
      video: rtpTimestamp(samples, VIDEO_CLOCK_RATE, bases.video),
    },
  });
}

function round(ms: number): number {
  return Number(ms.toFixed(2));
}
