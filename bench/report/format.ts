/** About three significant digits, thousands apart, whole numbers without decimals; a dash for what was not measured. */
export function figure(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en-US").replaceAll(",", " ");
  if (Number.isInteger(value)) return String(value);
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return size >= 1 ? value.toFixed(2) : value.toPrecision(2);
}

export function range(spread: {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}): string {
  return `${figure(spread.median)} (${figure(spread.min)}–${figure(spread.max)})`;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = line(head.map((_, column) => (column === 0 ? "---" : "---:")));
  return [line(head), rule, ...rows.map(line)].join("\n");
}

/** `trees/10ms` as a reader likes it. */
export function caseTitle(name: string): string {
  return name.replace("/", ", look-up ").replace(/(\d)ms$/, "$1 ms");
}
