import { styleText } from "node:util";
import type { Paint, Tone } from "../admin/describe-table.ts";

const STYLES = {
  good: "green",
  bad: "red",
  changing: "yellow",
  heading: "bold",
} as const satisfies Partial<Record<Tone, string>>;

/** In colours where standard output is a terminal that wants them: `NO_COLOR` and `FORCE_COLOR` are heeded. */
export const paint: Paint = (tone, text) =>
  tone === "plain" || text === "" ? text : styleText(STYLES[tone], text, { stream: process.stdout });
