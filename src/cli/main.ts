#!/usr/bin/env -S node --max-semi-space-size=12 --no-memory-reducer
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { benchCommand } from "./bench.ts";
import { buildCommand } from "./build.ts";
import { withWords } from "./command-words.ts";
import { configCommand } from "./config.ts";
import { deployCommand } from "./deploy.ts";
import { doctorCommand } from "./doctor.ts";
import { rollbackCommand, scaleCommand, shutdownCommand } from "./operations.ts";
import { runCommand } from "./run.ts";
import { startCommand } from "./start.ts";
import { statusCommand } from "./status.ts";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));

const EXAMPLES = `
Examples:
  $ tutti doctor                # is this machine ready for it
  $ tutti run app.ts            # serve the application of a module
  $ tutti build app.ts          # write its config file, with every option
  $ tutti deploy tutti.yaml     # make a running node run what a config file says
  $ tutti status                # what runs, and what is wrong with it
  $ tutti bench app.ts --path /scores --body @body.json     # how it does under load
  $ tutti run --help            # each command has its own help`;

const program = new Command()
  .name("tutti")
  .description("Model serving for Node.js: many models called in parallel, one answer by the deadline.")
  .version(version)
  .addCommand(runCommand())
  .addCommand(startCommand())
  .addCommand(buildCommand())
  .addCommand(deployCommand())
  .addCommand(configCommand())
  .addCommand(statusCommand())
  .addCommand(scaleCommand())
  .addCommand(rollbackCommand())
  .addCommand(shutdownCommand())
  .addCommand(benchCommand())
  .addCommand(doctorCommand());
withWords(program, EXAMPLES);

await program.parseAsync();
