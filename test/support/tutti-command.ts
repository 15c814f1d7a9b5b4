import { spawn } from "node:child_process";
import { REPOSITORY } from "./temp-folder.ts";

const CLI = `${REPOSITORY}/dist/cli/main.js`;

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the real `tutti` to its end, without a terminal. */
export function tutti(
  args: readonly string[],
  {
    env = {},
    cwd = REPOSITORY,
  }: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string } = {},
): Promise<CommandResult> {
  const { PATH = "", HOME = "", NODE_COMPILE_CACHE: cache } = process.env;
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd,
    env: { PATH, HOME, ...(cache === undefined ? {} : { NODE_COMPILE_CACHE: cache }), ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 30_000,
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}
