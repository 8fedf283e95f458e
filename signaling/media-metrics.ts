import type { HistogramFigure, NumberFigure, SessionFigures } from '../src/session/viewers/figures.js';
import { labelText } from './metrics-labels.js';

/**
 * Histograms, counters and gauges of the sessions and of their viewers, as lines of Prometheus' text format. Series of what
 * has ended are not there any more.
 */
export function mediaMetricsLines(sessions: readonly SessionFigures[]): string[] {
  const families = new Families();
  for (const { sessionId, histograms, numbers, viewers } of sessions) {
    families.add({ session: sessionId }, histograms, numbers);
    for (const viewer of viewers)
      families.add({ session: sessionId, viewer: viewer.viewerId }, viewer.histograms, viewer.numbers);
  }
  return families.lines();
}

interface Family {
  readonly lines: string[];
  /** Of a histogram's buckets. Writing the same fractions for each of hundreds of viewers would be half of the work. */
  bounds?: readonly string[];
}

/** All samples of one name must stand together, whichever session they come from. */
class Families {
  readonly #byName = new Map<string, Family>();

  add(
    labels: Readonly<Record<string, string>>,
    histograms: readonly HistogramFigure[],
    numbers: readonly NumberFigure[],
  ): void {
    const text = labelText(labels);
    for (const figure of histograms) addHistogram(this.#family(figure, 'histogram'), figure, text);
    for (const figure of numbers)
      this.#family(figure, figure.type).lines.push(`${figure.name}${text} ${figure.value}`);
  }

  lines(): string[] {
    return [...this.#byName.values()].flatMap(({ lines }) => lines);
  }

  #family({ name, help }: { name: string; help: string }, type: string): Family {
    let family = this.#byName.get(name);
    if (family === undefined) {
      family = { lines: [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`] };
      this.#byName.set(name, family);
    }
    return family;
  }
}

/** `labels` has its braces and is not empty. */
function addHistogram(family: Family, { name, unit, snapshot }: HistogramFigure, labels: string): void {
  const perBaseUnit = unit === 'ms' ? 1000 : 1;
  const open = `${name}_bucket${labels.slice(0, -1)},le="`;
  family.bounds ??= snapshot.bounds.map((bound) => String(bound / perBaseUnit));
  family.bounds.forEach((bound, at) => family.lines.push(`${open}${bound}"} ${snapshot.cumulative[at]!}`));
  family.lines.push(
    `${open}+Inf"} ${snapshot.count}`,
    `${name}_sum${labels} ${snapshot.sum / perBaseUnit}`,
    `${name}_count${labels} ${snapshot.count}`,
  );
}
