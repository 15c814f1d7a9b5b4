import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { promisify } from "node:util";
import { EXAMPLE, REPOSITORY } from "../reference/paths.ts";
import type { BenchResult } from "../schema.ts";

const run = promisify(execFile);

export function machine(): BenchResult["machine"] {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? "unknown",
    cores: all.length,
    memoryMb: Math.round(totalmem() / 1024 / 1024),
    kernel: release(),
  };
}

export async function gitState(): Promise<BenchResult["git"]> {
  try {
    const revision = (await run("git", ["rev-parse", "HEAD"], { cwd: REPOSITORY })).stdout.trim();
    const changes = (await run("git", ["status", "--porcelain"], { cwd: REPOSITORY })).stdout.trim();
    return { revision, dirty: changes !== "" };
  } catch {
    return { revision: "unknown", dirty: true };
  }
}

/** Of what is measured: the runtimes, and the Python side's packages when its environment is set up. */
export async function versions(): Promise<Record<string, string>> {
  const found: Record<string, string> = {
    node: process.version,
    onnxruntimeNode: packageVersion("onnxruntime-node"),
    fastify: packageVersion("fastify"),
    tutti: packageVersion(undefined),
  };
  for (const environment of ["legacy/flask/.venv", "training/.venv"]) {
    const python = `${EXAMPLE}${environment}/bin/python`;
    if (existsSync(python)) return { ...found, ...(await pythonVersions(python)) };
  }
  return found;
}

const PYTHON_PACKAGES = ["flask", "gunicorn", "xgboost", "onnxruntime", "numpy"];
const ASK_PYTHON = `
import importlib.metadata as m, json, platform
found = {"python": platform.python_version()}
for name in ${JSON.stringify(PYTHON_PACKAGES)}:
    try: found["python-" + name] = m.version(name)
    except m.PackageNotFoundError: pass
print(json.dumps(found))`;

async function pythonVersions(python: string): Promise<Record<string, string>> {
  try {
    return JSON.parse((await run(python, ["-c", ASK_PYTHON], { timeout: 20_000 })).stdout) as Record<
      string,
      string
    >;
  } catch {
    return {};
  }
}

function packageVersion(name: string | undefined): string {
  const path = name === undefined ? "package.json" : `node_modules/${name}/package.json`;
  const parsed: unknown = JSON.parse(readFileSync(`${REPOSITORY}${path}`, "utf8"));
  const version =
    typeof parsed === "object" && parsed !== null && "version" in parsed ? parsed.version : undefined;
  return typeof version === "string" ? version : "unknown";
}
