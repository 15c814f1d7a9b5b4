#!/usr/bin/env -S node --max-semi-space-size=16
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { exitOfParser } from "./exit-codes.ts";
import { runCommand } from "./run.ts";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));

const program = new Command()
  .name("tutti")
  .description("Model serving for Node.js: many models called in parallel, one answer by the deadline.")
  .version(version)
  .showHelpAfterError("(see --help)")
  .exitOverride(exitOfParser)
  .addCommand(runCommand());

await program.parseAsync();
