/**
 * `node bench/report.ts <results.json> [--docs]`: writes the tables (`.md`) and plots (`.svg`) of a results file beside
 * it; with `--docs` also into docs/benchmarks.md, between the marks of its suite.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { Command } from "commander";
import { REPOSITORY } from "./reference/paths.ts";
import { markdown } from "./report/markdown.ts";
import { plots } from "./report/plots.ts";
import { type BenchResult, parseResult } from "./schema.ts";

const DOCUMENT = `${REPOSITORY}docs/benchmarks.md`;

/** @returns the paths that were written. */
export function writeReport(resultFile: string, options: { readonly docs: boolean }): string[] {
  const result = parseResult(JSON.parse(readFileSync(resultFile, "utf8")));
  const directory = dirname(resultFile);
  const stem = basename(resultFile, ".json");
  const written: string[] = [];
  const files = plots(result).map(({ name, title, svg }) => {
    const file = `${stem}-${name}.svg`;
    writeFileSync(`${directory}/${file}`, svg);
    written.push(`${directory}/${file}`);
    return { title, file };
  });
  writeFileSync(`${directory}/${stem}.md`, markdown(result, files));
  written.push(`${directory}/${stem}.md`);
  if (options.docs) {
    const toDirectory = relative(dirname(DOCUMENT), directory);
    const linked = files.map(({ title, file }) => ({ title, file: `${toDirectory}/${file}` }));
    const source = `From [\`${stem}.json\`](${toDirectory}/${stem}.json).`;
    writeFileSync(
      DOCUMENT,
      between(readFileSync(DOCUMENT, "utf8"), result.suite, `${source}\n\n${markdown(result, linked)}`),
    );
    written.push(DOCUMENT);
  }
  return written;
}

function between(document: string, suite: BenchResult["suite"], text: string): string {
  const open = `<!-- results of ${suite} -->`;
  const close = `<!-- end of ${suite} -->`;
  const start = document.indexOf(open);
  const end = document.indexOf(close);
  if (start < 0 || end < start)
    throw new Error(`docs/benchmarks.md: expected the marks ${open} and ${close}`);
  return `${document.slice(0, start + open.length)}\n\n${text.trimEnd()}\n\n${document.slice(end)}`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  new Command("report")
    .description("Writes the tables and plots of a results file.")
    .argument("<results.json>")
    .option("--docs", "also into docs/benchmarks.md", false)
    .action((file: string, options: { docs: boolean }) => {
      for (const path of writeReport(file, options)) console.log(path);
    })
    .parse();
}
