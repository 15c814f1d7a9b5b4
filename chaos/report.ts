import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { REPOSITORY } from "../bench/reference/paths.ts";
import type { CampaignResult, PhaseResult } from "./schema.ts";

const COLUMNS: readonly (readonly [string, (phase: PhaseResult) => string | number])[] = [
  ["fault", ({ about }) => about],
  ["sent", ({ sent }) => sent],
  ["right", ({ right }) => right],
  ["degraded", ({ degraded }) => degraded],
  ["fallback", ({ fallback }) => fallback],
  ["refused", ({ refused }) => refused],
  ["failed", ({ failed }) => failed],
  ["wrong", ({ wrong, unlabelled }) => wrong + unlabelled],
  ["p95", ({ p95Ms }) => `${Math.round(p95Ms)} ms`],
  ["slowest", ({ maxMs }) => `${Math.round(maxMs)} ms`],
  ["replaced", ({ replacements }) => (replacements === 0 ? "–" : replacements)],
  ["recovery", (phase) => `${phase.slowestReplacementMs ?? phase.recoveryMs} ms`],
];

/** The campaign as a table for people. */
export function toMarkdown(result: CampaignResult): string {
  const rows = result.phases.map((phase) => COLUMNS.map(([, cell]) => String(cell(phase))));
  const head = COLUMNS.map(([name]) => name);
  const align = COLUMNS.map((_, index) => (index === 0 ? "---" : "---:"));
  const table = [head, align, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
  const sent = result.phases.reduce((sum, phase) => sum + phase.sent, 0);
  const memory = result.memory
    .map(({ system, beforeMb, afterMb }) => `${system} ${Math.round(beforeMb)} → ${Math.round(afterMb)} MB`)
    .join(", ");
  return [
    table,
    "",
    `${sent} requests at ${result.ratePerSecond} a second; seed ${result.seed}; revision ${result.git.revision.slice(0, 7)}${result.git.dirty ? " with changes" : ""}.`,
    `Memory (PSS under the same load, before → after): ${memory}.`,
    ...listed("NOT MET:", [...namedOf(result, "broken"), ...namedOf(result, "late"), ...result.broken]),
    ...listed("NOT JUDGED, since other programs had the processor:", namedOf(result, "notJudged")),
    ...(isMet(result) ? ["All demands were met."] : []),
  ].join("\n");
}

const namedOf = ({ phases }: CampaignResult, list: "broken" | "late" | "notJudged"): string[] =>
  phases.flatMap((phase) => phase[list].map((what) => `${phase.fault}: ${what}`));

const listed = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [title, ...lines.map((line) => `- ${line}`)];

/** Every demand was judged, and met. */
export const isMet = (result: CampaignResult): boolean =>
  result.broken.length === 0 &&
  result.phases.every(({ broken, late, notJudged }) => broken.length + late.length + notJudged.length === 0);

const DOCUMENT = `${REPOSITORY}docs/reliability.md`;
const START = "<!-- chaos:start -->";
const END = "<!-- chaos:end -->";

/** Puts the table of a results file into the document. @returns the document's path. */
export function writeDocument(result: CampaignResult, file: string): string {
  const text = readFileSync(DOCUMENT, "utf8");
  const [before, rest] = [text.slice(0, text.indexOf(START)), text.slice(text.indexOf(END))];
  const link = path.relative(path.dirname(DOCUMENT), file);
  const source = `Generated from [${path.basename(file)}](${link}), taken on a machine with ${result.machine.cores} cores.`;
  writeFileSync(DOCUMENT, `${before}${START}\n${source}\n\n${toMarkdown(result)}\n${rest}`);
  return DOCUMENT;
}
