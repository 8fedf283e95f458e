import type { Flicker, Obedience, RenderScores } from './render-scores.js';
import { inColumns } from './columns.js';

const HEAD = [
  ...['face', 'eyes', 'curve: r(open) r(width) lag', 'own tracker', 'trackers agree', 'gap shut, wide'],
  ...['speech: r(open) r(width) lag', 'tremble of lips source / held / slow', 'of pixels'],
];

/** A line a face, in columns. */
export function renderReport(rows: readonly RenderScores[]): string {
  return inColumns([HEAD, ...rows.map(rowOf)]);
}

function rowOf(row: RenderScores): string[] {
  const flicker = (read: (of: Flicker) => number): string =>
    [row.flicker.source, row.flicker.held, row.flicker.slow].map((of) => two(read(of))).join(' / ');
  return [
    row.avatar + (row.unseen > 0 ? ` (${row.unseen} pictures unseen)` : ''),
    `${row.eyesPx} px`,
    told(row.curve),
    told(row.curveByOwn),
    two(row.trackersAgree),
    `${row.gapShut.toFixed(3)} ${row.gapWide.toFixed(3)}`,
    told(row.speech),
    flicker(({ lips }) => lips),
    flicker(({ pixels }) => pixels),
  ];
}

function told({ open, width, lagMs }: Obedience): string {
  return `${two(open)} ${two(width)} ${lagMs} ms`;
}

function two(value: number): string {
  return Number.isFinite(value) ? value.toFixed(2) : '-';
}
