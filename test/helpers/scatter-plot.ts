import type { Browser } from 'playwright-core';

export interface ScatterPlot {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
  /** Dashed lines across. */
  readonly marks: readonly number[];
}

const WIDTH_PX = 1000;
const HEIGHT_PX = 480;
const EDGE = { left: 70, right: 20, top: 60, bottom: 55 };

/** Draws it as SVG and lets the browser make a PNG file of that. */
export async function writePlot(browser: Browser, file: string, plot: ScatterPlot): Promise<void> {
  const page = await browser.newPage({ viewport: { width: WIDTH_PX, height: HEIGHT_PX } });
  try {
    await page.setContent(`<body style="margin:0">${plotSvg(plot)}</body>`);
    await page.screenshot({ path: file });
  } finally {
    await page.close();
  }
}

function plotSvg({ title, xLabel, yLabel, points, marks }: ScatterPlot): string {
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
  const [left, right, bottom] = [EDGE.left, WIDTH_PX - EDGE.right, HEIGHT_PX - EDGE.bottom];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH_PX}" height="${HEIGHT_PX}" font-family="sans-serif" font-size="13">`,
    '<rect width="100%" height="100%" fill="white"/>',
    text(WIDTH_PX / 2, 30, title, 'middle', 'font-size="16"'),
    ...ys.ticks.map(
      (y) => line(left, py(y), right, py(y), 'stroke="#ddd"') + text(left - 8, py(y) + 4, String(y), 'end'),
    ),
    ...xs.ticks.map(
      (x) => line(px(x), EDGE.top, px(x), bottom, 'stroke="#eee"') + text(px(x), bottom + 18, String(x)),
    ),
    ...marks.map((y) => line(left, py(y), right, py(y), 'stroke="#c33" stroke-dasharray="6 4"')),
    line(left, py(0), right, py(0), 'stroke="#555"'),
    ...points.map(
      ({ x, y }) => `<circle cx="${px(x).toFixed(1)}" cy="${py(y).toFixed(1)}" r="2" fill="#1565c0"/>`,
    ),
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
