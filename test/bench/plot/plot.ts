import type { Browser } from 'playwright-core';

export interface PlotSeries {
  readonly style: 'dots' | 'line';
  readonly colour: string;
  /** Shown in the legend. */
  readonly name?: string;
  /** A line breaks where y is not a number. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface Plot {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly PlotSeries[];
  /** Dashed lines across. */
  readonly marks?: readonly number[];
  /** Thin lines upright. */
  readonly moments?: readonly number[];
}

const WIDTH_PX = 1000;
const HEIGHT_PX = 480;
const EDGE = { left: 70, right: 20, top: 60, bottom: 55 };

/** Draws the plots as SVG, one below the other, and lets the browser make a PNG file of that. */
export async function writePlots(browser: Browser, file: string, plots: readonly Plot[]): Promise<void> {
  const page = await browser.newPage({ viewport: { width: WIDTH_PX, height: HEIGHT_PX * plots.length } });
  try {
    await page.setContent(
      `<body style="margin:0;display:flex;flex-direction:column">${plots.map(plotSvg).join('')}</body>`,
    );
    await page.screenshot({ path: file });
  } finally {
    await page.close();
  }
}

function plotSvg({ title, xLabel, yLabel, series, marks = [], moments = [] }: Plot): string {
  const points = series.flatMap((each) => each.points).filter(({ y }) => Number.isFinite(y));
  const xs = axis(
    points.map(({ x }) => x),
    10,
  );
  const ys = axis([...points.map(({ y }) => y), ...marks], 8);
  const px = (x: number) =>
    EDGE.left + ((x - xs.from) / (xs.to - xs.from)) * (WIDTH_PX - EDGE.left - EDGE.right);
  const py = (y: number) =>
    HEIGHT_PX - EDGE.bottom - ((y - ys.from) / (ys.to - ys.from)) * (HEIGHT_PX - EDGE.top - EDGE.bottom);
  const line = (x1: number, y1: number, x2: number, y2: number, style: string) =>
    `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" ${style}/>`;
  const text = (x: number, y: number, words: string, anchor = 'middle', more = '') =>
    `<text x="${x}" y="${y}" text-anchor="${anchor}" ${more}>${words}</text>`;
  const dots = ({ points, colour }: PlotSeries) =>
    points.map(
      ({ x, y }) => `<circle cx="${px(x).toFixed(1)}" cy="${py(y).toFixed(1)}" r="2" fill="${colour}"/>`,
    );
  const curve = ({ points, colour }: PlotSeries) => {
    const steps = points.map(({ x, y }, at) =>
      Number.isFinite(y)
        ? `${Number.isFinite(points[at - 1]?.y) ? 'L' : 'M'}${px(x).toFixed(1)} ${py(y).toFixed(1)}`
        : '',
    );
    return `<path d="${steps.join('')}" fill="none" stroke="${colour}" stroke-width="1.8"/>`;
  };
  const [left, right, bottom] = [EDGE.left, WIDTH_PX - EDGE.right, HEIGHT_PX - EDGE.bottom];
  const legend = series
    .filter(({ name }) => name !== undefined)
    .map(({ name, colour }, at) => text(left + 10 + at * 160, 50, name!, 'start', `fill="${colour}"`));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH_PX}" height="${HEIGHT_PX}" font-family="sans-serif" font-size="13">`,
    '<rect width="100%" height="100%" fill="white"/>',
    text(WIDTH_PX / 2, 30, title, 'middle', 'font-size="16"'),
    ...legend,
    ...ys.ticks.map(
      (y) => line(left, py(y), right, py(y), 'stroke="#ddd"') + text(left - 8, py(y) + 4, String(y), 'end'),
    ),
    ...xs.ticks.map(
      (x) => line(px(x), EDGE.top, px(x), bottom, 'stroke="#eee"') + text(px(x), bottom + 18, String(x)),
    ),
    ...moments.map((x) => line(px(x), EDGE.top, px(x), bottom, 'stroke="#c33" stroke-width="0.8"')),
    ...marks.map((y) => line(left, py(y), right, py(y), 'stroke="#c33" stroke-dasharray="6 4"')),
    line(left, py(0), right, py(0), 'stroke="#555"'),
    ...series.flatMap((each) => (each.style === 'dots' ? dots(each) : [curve(each)])),
    text(WIDTH_PX / 2, HEIGHT_PX - 14, xLabel),
    text(18, HEIGHT_PX / 2, yLabel, 'middle', `transform="rotate(-90 18 ${HEIGHT_PX / 2})"`),
    '</svg>',
  ].join('\n');
}

/** Round ticks, about `count` of them, that hold all values and 0. */
function axis(values: readonly number[], count: number): { from: number; to: number; ticks: number[] } {
  const low = values.reduce((least, value) => Math.min(least, value), 0);
  const high = values.reduce((most, value) => Math.max(most, value), 1);
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const [from, to] = [Math.floor(low / step) * step, Math.ceil(high / step) * step];
  const ticks = Array.from({ length: Math.round((to - from) / step) + 1 }, (_, at) =>
    Number((from + at * step).toPrecision(6)),
  );
  return { from, to, ticks };
}
