// Draws small multiples on logarithmic axes as one SVG, without scripts or fonts.

interface Point {
  x: number;
  y: number;
  low: number;
  high: number;
}

interface Line {
  name: string;
  points: readonly Point[];
}

export interface Panel {
  title: string;
  lines: readonly Line[];
}

export interface PlotOptions {
  title: string;
  subtitle: string;
  xLabel: string;
  yLabel: string;
  formatX: (x: number) => string;
  /** A smaller value is drawn at this value, because a logarithmic axis has no zero. */
  floorY: number;
  columns?: number;
}

const WIDTH = 420;
const HEIGHT = 300;
const MARGIN = { left: 58, right: 14, top: 30, bottom: 42 };
const HEAD = 58;
const LEGEND_ROW = 20;
// The palette of Okabe and Ito, which colour-blind readers can distinguish.
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#000000", "#56b4e9"];

export function plot(panels: readonly Panel[], options: PlotOptions): string {
  const points = panels.flatMap((panel) => panel.lines.flatMap((line) => line.points));
  if (points.length === 0) throw new RangeError("plot: no panel has a point, at least one is expected");
  const names = [...new Set(panels.flatMap((panel) => panel.lines.map((line) => line.name)))];
  const columns = Math.min(options.columns ?? 2, panels.length);
  const rows = Math.ceil(panels.length / columns);
  const x = scale(
    points.map((point) => point.x),
    MARGIN.left,
    WIDTH - MARGIN.right,
  );
  const values = points.map((point) => Math.max(point.y, options.floorY));
  const y = scale([options.floorY, ...values], HEIGHT - MARGIN.bottom, MARGIN.top);
  const width = columns * WIDTH;
  const perRow = Math.max(1, Math.floor(width / 200));
  const legendHeight = Math.ceil(names.length / perRow) * LEGEND_ROW;
  const height = HEAD + legendHeight + rows * HEIGHT;

  const out: string[] = [];
  out.push(
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(12, 24, options.title, 'font-size="16" font-weight="bold"'),
    text(12, 44, options.subtitle, 'fill="#555"'),
  );
  for (const [i, name] of names.entries()) {
    const left = 12 + (i % perRow) * 200;
    const top = HEAD + Math.floor(i / perRow) * LEGEND_ROW;
    const line = `<path d="M${left} ${top}h22" ${pen(i)} stroke-width="2"/>`;
    out.push(line, text(left + 28, top + 4, name));
  }
  for (const [i, panel] of panels.entries()) {
    const left = (i % columns) * WIDTH;
    const top = HEAD + legendHeight + Math.floor(i / columns) * HEIGHT;
    out.push(`<g transform="translate(${left} ${top})">`, ...drawPanel(panel, names, x, y, options), "</g>");
  }
  out.push("</svg>\n");
  return out.join("\n");
}

type Scale = ((value: number) => number) & { low: number; high: number };

/** Maps the decades of `values` to the range from `from` to `to`. */
function scale(values: readonly number[], from: number, to: number): Scale {
  const low = Math.floor(Math.log10(Math.min(...values)) + 1e-9);
  const high = Math.max(Math.ceil(Math.log10(Math.max(...values)) - 1e-9), low + 1);
  const position = (value: number) => from + ((Math.log10(value) - low) / (high - low)) * (to - from);
  return Object.assign(position, { low, high });
}

function drawPanel(panel: Panel, names: readonly string[], x: Scale, y: Scale, options: PlotOptions): string[] {
  const out = [text(MARGIN.left, MARGIN.top - 10, panel.title, 'font-weight="bold"')];
  const bottom = HEIGHT - MARGIN.bottom;
  for (let decade = y.low; decade <= y.high; decade++) {
    const at = round(y(10 ** decade));
    out.push(
      `<path d="M${MARGIN.left} ${at}H${WIDTH - MARGIN.right}" stroke="#ddd"/>`,
      text(MARGIN.left - 6, at + 4, (10 ** decade).toLocaleString("en-US"), 'text-anchor="end" fill="#555"'),
    );
  }
  for (const value of [...new Set(panel.lines.flatMap((line) => line.points.map((point) => point.x)))]) {
    const at = round(x(value));
    out.push(
      `<path d="M${at} ${MARGIN.top}V${bottom}" stroke="#eee"/>`,
      text(at, bottom + 14, options.formatX(value), 'text-anchor="middle" fill="#555"'),
    );
  }
  out.push(
    text((MARGIN.left + WIDTH - MARGIN.right) / 2, HEIGHT - 10, options.xLabel, 'text-anchor="middle"'),
    text(
      0,
      0,
      options.yLabel,
      `text-anchor="middle" transform="translate(12 ${(MARGIN.top + bottom) / 2}) rotate(-90)"`,
    ),
  );
  const position = (value: number) => round(y(Math.max(value, options.floorY)));
  for (const line of panel.lines) {
    const index = names.indexOf(line.name);
    const stroke = colour(index);
    const sorted = [...line.points].sort((a, b) => a.x - b.x);
    const path = sorted.map((point, i) => `${i === 0 ? "M" : "L"}${round(x(point.x))} ${position(point.y)}`).join("");
    out.push(`<path d="${path}" fill="none" ${pen(index)} stroke-width="2"/>`);
    for (const point of sorted) {
      const at = round(x(point.x));
      // A spread may exceed the decades of the medians, so it is cut at the panel's edge.
      const low = Math.min(position(point.low), bottom);
      const high = Math.max(position(point.high), MARGIN.top);
      const label = `${line.name}, ${options.formatX(point.x)}: ${point.y.toPrecision(3)}`;
      out.push(
        `<path d="M${at} ${low}V${high}" stroke="${stroke}" stroke-opacity="0.4" stroke-width="3"/>`,
        `<circle cx="${at}" cy="${position(point.y)}" r="3" fill="${stroke}"><title>${escaped(label)}</title></circle>`,
      );
    }
  }
  return out;
}

/** More lines than colours: the lines of the next round are dashed, those of the round after it dotted. */
const DASHES = ["", ' stroke-dasharray="7 4"', ' stroke-dasharray="2 3"'];

function pen(index: number): string {
  const dash = DASHES[Math.floor(index / COLOURS.length) % DASHES.length] as string;
  return `stroke="${colour(index)}"${dash}`;
}

function colour(index: number): string {
  return COLOURS[index % COLOURS.length] as string;
}

function text(x: number, y: number, content: string, attributes = ""): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c] as string);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
