import type { Command } from "commander";
import { exitOfParser } from "./exit-codes.ts";

/** Where nobody looks, lines stay as they were written. */
const WRITTEN_COLUMNS = 120;

/**
 * How every command speaks: its help ends with examples and exit codes, as wide as the terminal is, and what is wrong
 * with what it was given is said as everything else is, with where to look.
 */
export function withWords(command: Command, afterHelp: string): Command {
  const { isTTY, columns } = process.stdout;
  const width = isTTY === true ? columns : WRITTEN_COLUMNS;
  const name = command.name() === "tutti" ? "tutti" : `tutti ${command.name()}`;
  return command
    .addHelpText("after", fitToWidth(afterHelp, width))
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "tutti: ")) })
    .showHelpAfterError(`(see ${name} --help)`)
    .exitOverride(exitOfParser);
}

/**
 * Examples that are too long have their remark on a line before; other text is filled up anew. Commands are never broken:
 * they are there to be copied.
 */
export function fitToWidth(text: string, columns: number): string {
  const fitted: string[] = [];
  let words: string[] = [];
  const fill = () => {
    fitted.push(...filled(words, columns));
    words = [];
  };
  for (const line of text.split("\n")) {
    if (line !== "" && !line.startsWith(" ")) {
      words.push(...line.split(" "));
      continue;
    }
    fill();
    const [, example, remark] = /^( +\$ .*?) +(# .*)$/.exec(line) ?? [];
    if (line.length <= columns || example === undefined) fitted.push(line);
    else fitted.push(`  ${remark}`, example);
  }
  fill();
  return fitted.join("\n");
}

function filled(words: readonly string[], columns: number): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > columns) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
