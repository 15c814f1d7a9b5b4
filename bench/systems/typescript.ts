import { existsSync, readFileSync } from "node:fs";
import { EXAMPLE, REPOSITORY } from "../reference/paths.ts";
import { commonEnvironment, type SystemDescription } from "./system.ts";

export const legacyTs: SystemDescription = {
  name: "legacy-ts",
  configuration:
    "Fastify, 2 processes (node:cluster), one request at a time each: look-up, then 15 models in turn",
  missing: () => undefined,
  command: (setting) => ({
    file: process.execPath,
    args: [`${EXAMPLE}legacy/ts/legacy-ts.ts`],
    environment: { ...commonEnvironment(setting), PROCESSES: String(setting.processes) },
  }),
};

export const onnxBestTs: SystemDescription = {
  name: "onnx-best-ts",
  configuration:
    "Fastify, 2 processes (node:cluster), ONNX Runtime in process with 1 thread, look-ups overlapped, models in turn",
  missing: () => undefined,
  command: (setting) => ({
    file: process.execPath,
    args: [`${EXAMPLE}legacy/ts/onnx-best-ts.ts`],
    environment: { ...commonEnvironment(setting), PROCESSES: String(setting.processes) },
  }),
};

/** Not one of the four: shows how far one idea more (rows of concurrent requests in one run) takes the same program. */
export const onnxMicrobatchTs: SystemDescription = {
  name: "onnx-microbatch-ts",
  configuration: "as onnx-best-ts, with the rows of requests that wait at the same time run as one batch",
  missing: () => undefined,
  command: (setting) => ({
    file: process.execPath,
    args: [`${EXAMPLE}legacy/ts/onnx-best-ts.ts`],
    environment: { ...commonEnvironment(setting), PROCESSES: String(setting.processes), MICRO_BATCH: "64" },
  }),
};

export const TUTTI_CLI = `${REPOSITORY}dist/cli/main.js`;
/** What its first line gives to Node when it is started by its name. */
export const TUTTI_NODE_FLAGS = ["--max-semi-space-size=12", "--no-memory-reducer"];
const TUTTI_APP = `${EXAMPLE}app.ts`;
/** Two of them run side by side: each has its own. */
const ANY_ADMIN_PORT = 0;

/** `tutti run` of an application's module. */
export const tuttiRunning = (app: string, adminPort: number): SystemDescription => ({
  name: "tutti",
  configuration: "",
  missing: () => {
    if (!existsSync(TUTTI_CLI)) return "dist/ is not built: npm run build";
    return existsSync(app) ? undefined : `${app} is not there`;
  },
  command: (setting) => ({
    file: process.execPath,
    args: [
      ...TUTTI_NODE_FLAGS,
      TUTTI_CLI,
      "run",
      app,
      "--port",
      String(setting.port),
      "--admin-port",
      String(adminPort),
    ],
    environment: commonEnvironment(setting),
  }),
  readyPath: "/readyz",
});

/** Set by `--baseline`: another checkout of this repository, built. */
export const BASELINE_VARIABLE = "TUTTI_BENCH_BASELINE";
const baseline = (): string | undefined => process.env[BASELINE_VARIABLE];

export const tutti: SystemDescription = {
  ...tuttiRunning(TUTTI_APP, ANY_ADMIN_PORT),
  configuration: "tutti run examples/dynamic-offers/app.ts, as it is committed, without a feature cache",
};

/** What this code costs beside what it was: the same program from another commit. */
export const tuttiBaseline: SystemDescription = {
  name: "tutti-baseline",
  configuration: "the same from another commit (--baseline)",
  missing: () => {
    const checkout = baseline();
    if (checkout === undefined) return "give --baseline <checkout>, a built checkout of another commit";
    return existsSync(`${checkout}/dist/cli/main.js`)
      ? undefined
      : `${checkout}/dist/ is not there: npm run build`;
  },
  command: (setting) => ({
    file: process.execPath,
    args: [
      ...nodeFlagsOf(`${baseline()}/dist/cli/main.js`),
      `${baseline()}/dist/cli/main.js`,
      "run",
      `${baseline()}/examples/dynamic-offers/app.ts`,
      "--port",
      String(setting.port),
      // Commits before the admin API do not know the flag.
      ...(existsSync(`${baseline()}/dist/admin`) ? ["--admin-port", String(ANY_ADMIN_PORT)] : []),
    ],
    environment: commonEnvironment(setting),
  }),
  // Commits from before the example took the manifest's weights answer with the plain mean, and rightly.
  weighting: () =>
    readFileSync(`${baseline()}/examples/dynamic-offers/supervisor.ts`, "utf8").includes("weightedMean")
      ? "manifest"
      : "equal",
  readyPath: "/readyz",
};

/** What the first line of another commit's command gives to Node: each build runs as its own users have it. */
function nodeFlagsOf(command: string): string[] {
  const [firstLine = ""] = readFileSync(command, "utf8").split("\n", 1);
  return firstLine.split(" ").filter((word) => word.startsWith("--"));
}
