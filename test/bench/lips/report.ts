import type { ClipScores, CurveScores } from './clip-scores.js';
import { inColumns } from './columns.js';
import type { SetScores } from './set-scores.js';

const HEAD = [
  ...['clip', 'speech', 'offset', 'r(open) 0/own/best', 'lag', '... in speech', 'r(width) 0/own/best'],
  ...[
    '... in speech',
    'protr.',
    'loudness 0/own',
    'p b m',
    'real',
    'F1 shut/open',
    'MAE',
    'control',
    'pauses',
  ],
];

type Row = readonly string[];

function clipRow(scores: ClipScores): Row {
  const { offset } = scores;
  return [
    scores.clip + (scores.unseen > 0 ? ` (${scores.unseen} of ${scores.pictures} unseen)` : ''),
    `${scores.speechS.toFixed(1)} s`,
    offset === undefined ? '-' : `${signed(offset.offsetMs)} (${offset.by})`,
    ...figures(scores),
  ];
}

function meanRow(scores: SetScores): Row {
  return [`mean of ${scores.speakers}`, '', '', ...figures(scores)];
}

function figures(scores: ClipScores | SetScores): Row {
  const { closures, pauses, control } = scores;
  return [
    three(scores.open),
    signed(scores.open.bestLagMs),
    three(scores.openInSpeech),
    three(scores.width),
    three(scores.widthInSpeech),
    two(scores.protrusion.own),
    `${two(scores.loudness.zero)} ${two(scores.loudness.own)}`,
    scores.table === undefined ? '-' : `${two(scores.table.zero)} ${two(scores.table.own)}`,
    closures === undefined ? '-' : `${percent(closures.rate)} ${two(closures.lowest)} (${closures.count})`,
    closures === undefined ? '-' : `${percent(closures.trueRate)} ${two(closures.trueLowest)}`,
    `${two(scores.shutF1)} ${two(scores.openF1)}`,
    two(scores.meanAbsoluteError),
    `${two(control.mean)} (${two(control.least)}..${two(control.most)})`,
    `${percent(pauses.shutRate)} (${pauses.count})`,
  ];
}

/** A line a clip and one of means, in columns. */
export function setReport(name: string, clips: readonly ClipScores[], means: SetScores): string {
  const rows = [HEAD, ...clips.map(clipRow), meanRow(means)];
  const left =
    means.withoutSpeech.length === 0
      ? []
      : [`not in the means, hardly any speech: ${means.withoutSpeech.join(', ')}`];
  return [name, inColumns(rows), ...left].join('\n');
}

function three({ zero, own, best }: CurveScores): string {
  return [zero, own, best].map(two).join(' ');
}

function two(value: number): string {
  return Number.isFinite(value) ? value.toFixed(2) : '-';
}

function signed(value: number): string {
  return Number.isFinite(value) ? `${value > 0 ? '+' : ''}${value.toFixed(0)} ms` : '-';
}

function percent(share: number): string {
  return Number.isFinite(share) ? `${(100 * share).toFixed(0)} %` : '-';
}
