import { figure } from "./format.ts";
import { linearScale, logScale, type Scale } from "./scale.ts";

/** Two plots, written as plain SVG: horizontal bars, and lines over logarithmic axes. */

export interface Bar {
  readonly group: string;
  readonly label: string;
  readonly value: number | null;
  readonly min?: number;
  readonly max?: number;
}

export interface Line {
  readonly label: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface Limit {
  readonly label: string;
  readonly value: number;
}

const FONT = 'font-family="DejaVu Sans, Verdana, sans-serif"';
const INK = "#222";
const FAINT = "#d8d8d8";
/** Told apart also by readers who do not see all colours (Okabe and Ito). */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c8c00"];
const DASHES = ["", "6 3", "2 3", "8 3 2 3"];

/** The same label has the same colour in every plot of a report. */
export function colourOf(label: string, all: readonly string[]): string {
  return COLOURS[Math.max(0, all.indexOf(label)) % COLOURS.length] ?? INK;
}

export function barPlot(options: {
  readonly title: string;
  readonly axis: string;
  readonly bars: readonly Bar[];
  readonly labels: readonly string[];
  readonly log: boolean;
  readonly limit?: Limit;
}): string {
  const { bars } = options;
  const width = 860;
  const left = 190;
  const right = width - 90;
  const top = 64;
  const rowHeight = 22;
  const groupGap = 28;
  const values = bars.flatMap(({ value, max }) => (value === null ? [] : [value, max ?? value]));
  if (options.limit !== undefined) values.push(options.limit.value);
  // A bar needs an end of its own to begin at: a logarithmic axis begins below the smallest value.
  const scale = options.log
    ? logScale([...values, Math.min(...values.filter((value) => value > 0)) / 2], left, right)
    : linearScale(Math.max(0, ...values), left, right);
  const rows: string[] = [];
  let y = top;
  for (const [group, inGroup] of Map.groupBy(bars, (bar) => bar.group)) {
    rows.push(text(16, y + 14, group, { bold: true }));
    y += groupGap;
    for (const bar of inGroup) {
      rows.push(text(left - 8, y + 14, bar.label, { anchor: "end" }));
      rows.push(...barRow(bar, y, rowHeight, left, scale, colourOf(bar.label, options.labels)));
      y += rowHeight;
    }
    y += 10;
  }
  const bottom = y;
  const limit = options.limit;
  const limitMark =
    limit === undefined
      ? ""
      : `<line x1="${scale.at(limit.value)}" x2="${scale.at(limit.value)}" y1="${top - 6}" y2="${bottom}" stroke="#b00020" stroke-dasharray="5 4"/>` +
        text(scale.at(limit.value), top - 10, limit.label, { anchor: "middle", colour: "#b00020" });
  return document(width, bottom + 56, [
    text(16, 28, options.title, { size: 16, bold: true }),
    ...scale.ticks.map(
      (tick) =>
        `<line x1="${round(scale.at(tick))}" x2="${round(scale.at(tick))}" y1="${top}" y2="${bottom}" stroke="${FAINT}"/>` +
        text(scale.at(tick), bottom + 18, figure(tick), { anchor: "middle" }),
    ),
    ...rows,
    limitMark,
    text((left + right) / 2, bottom + 42, options.axis, { anchor: "middle" }),
  ]);
}

function barRow(
  bar: Bar,
  y: number,
  rowHeight: number,
  left: number,
  scale: Scale,
  colour: string,
): string[] {
  if (bar.value === null) return [text(left + 6, y + 14, "none meets the limit", { colour: "#777" })];
  const middle = y + rowHeight / 2 - 1;
  const end = scale.at(bar.value);
  const parts = [
    `<rect x="${left}" y="${y + 2}" width="${round(Math.max(1, end - left))}" height="${rowHeight - 6}" fill="${colour}"/>`,
  ];
  let labelAt = end;
  if (bar.min !== undefined && bar.max !== undefined && bar.max > bar.min) {
    labelAt = scale.at(bar.max);
    parts.push(
      `<line x1="${round(scale.at(bar.min))}" x2="${round(labelAt)}" y1="${middle}" y2="${middle}" stroke="${INK}" stroke-width="1.5"/>`,
    );
  }
  parts.push(text(labelAt + 6, y + 14, figure(bar.value), {}));
  return parts;
}

export function linePlot(options: {
  readonly title: string;
  readonly xAxis: string;
  readonly yAxis: string;
  readonly lines: readonly Line[];
  readonly labels: readonly string[];
  readonly limit?: Limit;
}): string {
  const width = 860;
  const height = 470;
  const left = 76;
  const right = width - 190;
  const top = 52;
  const bottom = height - 64;
  const points = options.lines.flatMap((line) => line.points);
  const xs = logScale(
    points.map(({ x }) => x),
    left,
    right,
  );
  const ys = logScale(
    [...points.map(({ y }) => y), ...(options.limit ? [options.limit.value] : [])],
    bottom,
    top,
  );
  const limit = options.limit;
  return document(width, height, [
    text(16, 28, options.title, { size: 16, bold: true }),
    ...xs.ticks.map(
      (tick) =>
        `<line x1="${round(xs.at(tick))}" x2="${round(xs.at(tick))}" y1="${top}" y2="${bottom}" stroke="${FAINT}"/>` +
        text(xs.at(tick), bottom + 18, figure(tick), { anchor: "middle" }),
    ),
    ...ys.ticks.map(
      (tick) =>
        `<line x1="${left}" x2="${right}" y1="${round(ys.at(tick))}" y2="${round(ys.at(tick))}" stroke="${FAINT}"/>` +
        text(left - 8, ys.at(tick) + 4, figure(tick), { anchor: "end" }),
    ),
    `<rect x="${left}" y="${top}" width="${right - left}" height="${bottom - top}" fill="none" stroke="${INK}"/>`,
    limit === undefined
      ? ""
      : `<line x1="${left}" x2="${right}" y1="${round(ys.at(limit.value))}" y2="${round(ys.at(limit.value))}" stroke="#b00020" stroke-dasharray="5 4"/>` +
        text(left + 6, ys.at(limit.value) - 5, limit.label, { colour: "#b00020" }),
    ...options.lines.flatMap((line, index) => drawn(line, index, xs, ys, options.labels)),
    ...options.lines.flatMap((line, index) =>
      legend(line, index, right + 14, top + 14 + index * 22, options.labels),
    ),
    text((left + right) / 2, height - 20, options.xAxis, { anchor: "middle" }),
    `<g transform="rotate(-90 20 ${(top + bottom) / 2})">${text(20, (top + bottom) / 2, options.yAxis, { anchor: "middle" })}</g>`,
  ]);
}

function drawn(line: Line, index: number, xs: Scale, ys: Scale, labels: readonly string[]): string[] {
  const colour = colourOf(line.label, labels);
  const places = line.points.map(({ x, y }) => ({ x: round(xs.at(x)), y: round(ys.at(y)) }));
  const path = places.map(({ x, y }) => `${x},${y}`).join(" ");
  return [
    `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash(index)}"/>`,
    ...places.map(({ x, y }) => `<circle cx="${x}" cy="${y}" r="3" fill="${colour}"/>`),
  ];
}

function legend(line: Line, index: number, x: number, y: number, labels: readonly string[]): string[] {
  const colour = colourOf(line.label, labels);
  return [
    `<line x1="${x}" x2="${x + 26}" y1="${y}" y2="${y}" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash(index)}"/>`,
    text(x + 32, y + 4, line.label, {}),
  ];
}

function dash(index: number): string {
  return DASHES[index % DASHES.length] ?? "";
}

function document(width: number, height: number, parts: readonly string[]): string {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">\n` +
    `<rect width="${width}" height="${height}" fill="#fff"/>\n${parts.filter((part) => part !== "").join("\n")}\n</svg>\n`
  );
}

function text(
  x: number,
  y: number,
  content: string,
  style: { anchor?: "middle" | "end"; size?: number; bold?: boolean; colour?: string },
): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return (
    `<text x="${round(x)}" y="${round(y)}" ${FONT} font-size="${style.size ?? 12}" fill="${style.colour ?? INK}"` +
    `${style.anchor ? ` text-anchor="${style.anchor}"` : ""}${style.bold ? ' font-weight="bold"' : ""}>${escaped}</text>`
  );
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
