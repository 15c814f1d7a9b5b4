/** What a piece of text is, for who shows it in colours. */
export type Tone = "good" | "bad" | "changing" | "heading" | "plain";
export type Paint = (tone: Tone, text: string) => string;

export interface Cell {
  readonly text: string;
  readonly tone?: Tone;
}

/** Columns as wide as their widest cell; the last one of a row is as long as it is, and makes none wider. */
export function table(rows: readonly (readonly Cell[])[], paint: Paint): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, { text }] of row.slice(0, -1).entries()) widths[i] = Math.max(widths[i] ?? 0, text.length);
  }
  return rows.map((row) => {
    const cells = row.map(({ text, tone = "plain" }, i) => {
      const isLast = row.slice(i + 1).every((cell) => cell.text === "");
      return paint(tone, text) + (isLast ? "" : " ".repeat(Math.max(0, (widths[i] ?? 0) - text.length)));
    });
    return `  ${cells.join("  ")}`.trimEnd();
  });
}

/** What user code says of its failure may be anything, and terminals obey what they are sent. */
export const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, " ").slice(0, 500);
