/** `warn`: a SHOULD that is not kept, or a choice that costs players something. `skip`: it could not be asked. */
export type Verdict = 'pass' | 'warn' | 'fail' | 'skip';
export type Level = 'MUST' | 'SHOULD';

export interface Row {
  readonly row: string;
  readonly level: Level;
  readonly expected: string;
  readonly got: string;
  readonly verdict: Verdict;
  /** Part of the specification. */
  readonly spec: string;
}

/** What is asked of the server, before the answer. */
export interface Question {
  readonly row: string;
  readonly level: Level;
  readonly expected: string;
  readonly spec: string;
}

export class Rows {
  readonly all: Row[] = [];

  /** A MUST that does not hold fails, a SHOULD warns. */
  judge(question: Question, ok: boolean, got: string): void {
    this.#add(question, got, ok ? 'pass' : question.level === 'MUST' ? 'fail' : 'warn');
  }

  warn(question: Question, got: string): void {
    this.#add(question, got, 'warn');
  }

  skip(question: Question, why: string): void {
    this.#add(question, why, 'skip');
  }

  count(verdict: Verdict): number {
    return this.all.filter((row) => row.verdict === verdict).length;
  }

  #add({ row, level, expected, spec }: Question, got: string, verdict: Verdict): void {
    this.all.push({ row, level, expected, got: got.replaceAll(/\s+/g, ' ').slice(0, 90), verdict, spec });
  }
}

const COLUMNS = ['row', 'level', 'expected', 'got', 'verdict', 'spec'] as const;

export function table(rows: readonly Row[]): string {
  const lines = [
    COLUMNS.map((column) =>
      column === 'verdict' ? 'pass/warn/fail' : column === 'spec' ? 'spec section' : column,
    ),
    ...rows.map((row) => COLUMNS.map((column) => row[column])),
  ];
  const widths = COLUMNS.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join(' | ')
        .trimEnd(),
    )
    .join('\n');
}
