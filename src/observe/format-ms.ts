/** Milliseconds as a person reads them: as many digits as say something. */
export function formatMs(ms: number): string {
  const digits = ms >= 10 ? 0 : ms >= 1 ? 1 : 2;
  return `${Number(ms.toFixed(digits)).toLocaleString("en-US")} ms`;
}
