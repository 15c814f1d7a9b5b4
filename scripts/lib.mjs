// Shared by the scripts that run before anything is installed: plain JavaScript, no dependencies, any Node >= 20.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

/** The project's own Node, whichever one started this script. */
export const node = path.join(root, "node_modules", "node", "bin", "node");

/** As on the first line of `dist/cli/main.js`, for who starts it by its path: see src/config/environment.ts. */
export const cliFlags = ["--max-semi-space-size=12", "--no-memory-reducer"];

export const say = (text) => process.stderr.write(`tutti setup: ${text}\n`);

/** Runs a command in the project; rejects with what it is and how it ended. */
export function run(command, args, { quiet = false, env = {} } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: quiet ? ["ignore", "pipe", "pipe"] : ["ignore", "inherit", "inherit"],
      env: { ...process.env, PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH}`, ...env },
    });
    let output = "";
    child.stdout?.on("data", (chunk) => (output += chunk));
    child.stderr?.on("data", (chunk) => (output += chunk));
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${command} ${args.join(" ")} ended with ${signal ?? code}\n${output}`));
    });
  });
}

const stampFile = path.join(root, "node_modules", ".tutti-stamp");

/** Installs what package-lock.json says, unless that is what is there. */
export async function install() {
  const wanted = createHash("sha256")
    .update(readFileSync(path.join(root, "package-lock.json")))
    .digest("hex");
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === wanted && existsSync(node)) return;
  const startedAt = Date.now();
  say("installing packages (about half a minute, once) …");
  // Not `npm ci`: registries that lack a binary for some other platform make it refuse the whole lock file.
  // Offline the CUDA libraries of onnxruntime-node cannot be had, and nothing here uses them.
  await run("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], {
    quiet: true,
    env: { ONNXRUNTIME_NODE_INSTALL: "skip" },
  });
  writeFileSync(stampFile, wanted);
  say(`packages installed in ${seconds(startedAt)}`);
}

/** Compiles src to dist; tsc itself knows what has changed. */
export async function build() {
  const startedAt = Date.now();
  const first = !existsSync(path.join(root, "dist"));
  if (first) say("compiling …");
  await run(node, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], { quiet: true });
  // tsc writes what it knows only when something has changed.
  const [compiledMs, bundledMs] = ["dist/.tsbuildinfo", "dist/bundle/entry.js"].map(changedAtMs);
  if (bundledMs < compiledMs) await run(node, ["scripts/bundle.mjs"], { quiet: true });
  if (first) say(`compiled in ${seconds(startedAt)}`);
}

const changedAtMs = (file) => statSync(path.join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;

export const seconds = (sinceMs) => `${((Date.now() - sinceMs) / 1000).toFixed(1)} s`;

export function ensureDirectory(name) {
  const directory = path.join(root, name);
  mkdirSync(directory, { recursive: true });
  return directory;
}
