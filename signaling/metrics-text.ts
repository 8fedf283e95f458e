import type { SessionFigures } from '../src/session/viewers/figures.js';
import { mediaMetricsLines } from './media-metrics.js';
import { labelText } from './metrics-labels.js';
import type { AvatarInfo, SessionInfo } from './ports.js';

export interface MetricsInput {
  readonly version: string;
  readonly engine: string;
  readonly avatars: readonly AvatarInfo[];
  readonly sessions: readonly SessionInfo[];
  readonly media: readonly SessionFigures[];
  readonly requests: readonly { method: string; status: string; count: number }[];
}

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/**
 * Prometheus' text format 0.0.4. Counters of a session's `stats` are added up over the sessions; what media measured has series
 * a session, and a viewer for as many as the caller listed.
 */
export function metricsText(input: MetricsInput): string {
  const lines: string[] = [];
  const metric = (
    name: string,
    type: 'gauge' | 'counter',
    help: string,
    samples: readonly Sample[],
  ): void => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const [labels, value] of samples) lines.push(`${name}${labelText(labels)} ${value}`);
  };

  metric('musecast_info', 'gauge', 'Constant 1; the labels say what runs.', [
    [{ version: input.version, engine: input.engine }, 1],
  ]);
  metric('musecast_uptime_seconds', 'gauge', 'Seconds since the process began.', [
    [{}, Math.round(process.uptime() * 1000) / 1000],
  ]);
  metric('musecast_resident_memory_bytes', 'gauge', 'Memory of the server process.', [
    [{}, process.memoryUsage.rss()],
  ]);
  metric(
    'musecast_avatars',
    'gauge',
    'Avatars by state.',
    byState(input.avatars, ['preparing', 'ready', 'failed']),
  );
  metric(
    'musecast_sessions',
    'gauge',
    'Sessions by state.',
    byState(input.sessions, ['idle', 'listening', 'speaking', 'ended']),
  );
  metric('musecast_viewers', 'gauge', 'WebRTC viewers of all sessions.', [
    [{}, input.sessions.reduce((sum, one) => sum + one.viewers, 0)],
  ]);
  for (const [name, sum] of sumStats(input.sessions)) {
    metric(`musecast_session_${name}`, 'gauge', 'Sum over the sessions that are listed.', [[{}, sum]]);
  }
  metric(
    'musecast_http_requests_total',
    'counter',
    'Answers by method and status.',
    input.requests.map(({ method, status, count }) => [{ method, status }, count]),
  );
  lines.push(...mediaMetricsLines(input.media));
  return `${lines.join('\n')}\n`;
}

function byState(things: readonly { state: string }[], states: readonly string[]): Sample[] {
  return states.map((state) => [{ state }, things.filter((thing) => thing.state === state).length]);
}

function sumStats(sessions: readonly SessionInfo[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const session of sessions) {
    for (const [key, value] of Object.entries(session.stats)) {
      if (!Number.isFinite(value)) continue;
      const name = key
        .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
        .replaceAll(/[^A-Za-z0-9_]/g, '_')
        .toLowerCase();
      sums.set(name, (sums.get(name) ?? 0) + value);
    }
  }
  return sums;
}
