import { existsSync } from "node:fs";
import path from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { TuttiError } from "../errors/tutti-error.ts";
import type { LoadShape } from "../load/run-load.ts";
import { findNodes } from "../runtime/run-directory.ts";
import { adminToken } from "./admin-token.ts";
import { BenchNode } from "./bench-node.ts";
import type { RequestFlags } from "./bench-requests.ts";
import { withWords } from "./command-words.ts";
import { EXIT } from "./exit-codes.ts";
import { DEFAULT_URL, toUrl, withExitCode } from "./node-flags.ts";
import type { BenchPlan } from "./run-bench.ts";

interface BenchFlags extends RequestFlags {
  readonly rate?: number;
  readonly connections?: number;
  readonly maxConnections?: number;
  readonly durationS?: number;
  readonly warmupS?: number;
  readonly adminUrl?: URL;
  readonly adminTokenFile?: string;
  readonly json?: boolean;
}

const DEFAULT_RATE = 100;
const DEFAULT_DURATION_S = 10;
const DEFAULT_WARM_UP_S = 2;
const DEFAULT_MAX_CONNECTIONS = 512;
const ADMIN_TIMEOUT_MS = 10_000;
/** Of arrivals, whose times are all fixed beforehand. */
const MAX_ARRIVALS = 20_000_000;

const EXAMPLES = `
Examples:
  $ tutti bench app.ts --path /scores --body '{"features":[1,2]}'     # starts it on free ports, and ends it
  $ tutti bench app.ts --requests requests.jsonl --rate 500 --duration-s 30
  $ tutti bench http://127.0.0.1:8000/scores --body @body.json        # what runs already
  $ tutti bench http://127.0.0.1:8000 --requests requests.jsonl --connections 64     # how much can it carry
  $ tutti bench app.ts --path /scores --body @body.json --deadline-ms 100 -- --lanes 4     # with flags of tutti run
  $ tutti bench app.ts --path /scores --body @body.json --json | jq .latency.p95Ms

A line of requests.jsonl is {"path", "method", "headers", "body"}, each of which may be left out; they are sent in turn.

Exit codes: 0 measured, 1 failed (nothing was answered well, the rate could not be carried, or interrupted), 2 wrong
option, 3 to 5 as tutti run, 7 nothing answers there.`;

export function benchCommand(): Command {
  const command = new Command("bench")
    .description(
      "Measure an application under load: throughput, latencies, errors, and what the flight recorder says of them.",
    )
    .argument("<target>", "the module of an application, or the URL of one that runs")
    .argument("[flags...]", "after --: flags of tutti run, for a module")
    .option("--path <path>", "what is asked (default: the URL's, or the application's route)")
    .option("--method <method>", "by which method (default: POST with a body, else GET)")
    .option("--body <text>", "with which body; @file reads it from a file (default: none)")
    .option(
      "--header <line>",
      "a header such as 'x-tutti-priority: low'; may be repeated (default: none)",
      collect,
    )
    .option("--requests <file>", "requests to be sent in turn, a JSON object in each line (default: none)")
    .option(
      "--rate <n>",
      `requests a second, at random times, whatever becomes of those before (default: ${DEFAULT_RATE})`,
      numberOf(0.01, 100_000),
    )
    .option(
      "--connections <n>",
      "in place of a rate: so many clients that ask again when they have their answer (default: none)",
      wholeNumberOf(1, 10_000),
    )
    .option(
      "--max-connections <n>",
      `connections that a rate may open (default: ${DEFAULT_MAX_CONNECTIONS})`,
      wholeNumberOf(1, 10_000),
    )
    .option("--duration-s <n>", `how long is measured (default: ${DEFAULT_DURATION_S})`, numberOf(0.1, 3600))
    .option(
      "--warmup-s <n>",
      `load before, which is not counted (default: ${DEFAULT_WARM_UP_S})`,
      numberOf(0, 600),
    )
    .option(
      "--deadline-ms <n>",
      "the client's deadline, sent along; answers within it are counted (default: none)",
      wholeNumberOf(1, 600_000),
    )
    .option(
      "--admin-url <url>",
      `where the node's admin API is (default: of a URL on this machine, what its node has noted, else ${DEFAULT_URL})`,
      toUrl,
    )
    .option(
      "--admin-token-file <file>",
      "where the admin API's token is (default: the environment's TUTTI_ADMIN_TOKEN)",
    )
    .option("--json", "what was measured as JSON (default: off)");
  return withWords(command, EXAMPLES).action(
    (target: string, nodeFlags: readonly string[], flags: BenchFlags) =>
      withExitCode(() => bench(target, nodeFlags, flags)),
  );
}

async function bench(target: string, nodeFlags: readonly string[], flags: BenchFlags): Promise<number> {
  const interrupt = new AbortController();
  // The first ends the measuring, and what was measured is told; the second ends the program.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupt.abort());
  const { signal } = interrupt;
  const shared = { ...flags, ...planOf(flags), json: flags.json === true, signal };
  const run = (plan: Pick<BenchPlan, "url" | "admin" | "isAdminSure">) => measure({ ...shared, ...plan });
  const adminOf = (url: URL) => ({
    url,
    token: adminToken(flags.adminTokenFile),
    timeoutMs: ADMIN_TIMEOUT_MS,
  });
  if (/^https?:/.test(target)) {
    const url = targetUrl(target);
    if (nodeFlags.length > 0)
      throw invalid(
        `${nodeFlags[0]}: flags after -- are for a node that is started here, and ${target} runs already`,
      );
    const known = flags.adminUrl ?? (await adminUrlOf(url));
    const adminUrl = known ?? (isHere(url) ? new URL(DEFAULT_URL) : undefined);
    const admin = adminUrl === undefined ? undefined : adminOf(adminUrl);
    return run({ url, admin, isAdminSure: known !== undefined });
  }
  if (!existsSync(target)) throw new TuttiError("ModuleLoadFailed", `${target} does not exist`);
  const tokenFlags = flags.adminTokenFile === undefined ? [] : ["--admin-token-file", flags.adminTokenFile];
  const started = await BenchNode.start(path.resolve(target), [...tokenFlags, ...nodeFlags], signal);
  if ("exitCode" in started) return signal.aborted ? EXIT.failed : started.exitCode;
  const { url, adminUrl, routes } = started.ready;
  const admin = adminUrl === undefined ? undefined : adminOf(new URL(adminUrl));
  // Ends it, however this goes.
  await using _node = started.node;
  return await run({ url: new URL(routes[0] ?? "/", url), admin, isAdminSure: true });
}

/** What it brings along is for this command alone, and not loaded by others. */
async function measure(plan: BenchPlan): Promise<number> {
  const { runBench } = await import("./run-bench.ts");
  return runBench(plan);
}

function planOf(flags: BenchFlags): Pick<BenchPlan, "shape" | "warmUpMs" | "windowMs"> {
  const { durationS = DEFAULT_DURATION_S, warmupS = DEFAULT_WARM_UP_S } = flags;
  const shape = shapeOf(flags);
  if (shape.kind === "open" && shape.ratePerSecond * (durationS + warmupS) > MAX_ARRIVALS)
    throw invalid(
      `--rate, --duration-s: expected at most ${MAX_ARRIVALS.toLocaleString("en-US")} requests in all, ` +
        `found ${shape.ratePerSecond} a second for ${durationS + warmupS} s`,
    );
  return { shape, warmUpMs: warmupS * 1000, windowMs: durationS * 1000 };
}

function shapeOf({ rate, connections, maxConnections }: BenchFlags): LoadShape {
  if (connections === undefined) {
    const ratePerSecond = rate ?? DEFAULT_RATE;
    return { kind: "open", ratePerSecond, maxConnections: maxConnections ?? DEFAULT_MAX_CONNECTIONS };
  }
  const other =
    rate !== undefined ? "--rate" : maxConnections !== undefined ? "--max-connections" : undefined;
  if (other !== undefined)
    throw invalid(
      `--connections: it cannot be given together with ${other}: either clients wait, or a rate is kept`,
    );
  return { kind: "closed", connections };
}

function targetUrl(text: string): URL {
  const url = URL.parse(text);
  if (url?.protocol === "http:" && url.username === "") return url;
  throw invalid(`<target>: expected a URL such as http://127.0.0.1:8000/scores, without TLS, found ${text}`);
}

/** Of a node of this user on this machine, which has noted it. */
async function adminUrlOf(url: URL): Promise<URL | undefined> {
  if (!isHere(url)) return undefined;
  const nodes = await findNodes();
  const admin = nodes.find(({ edge }) => new URL(edge).port === url.port)?.admin;
  return admin === undefined ? undefined : new URL(admin);
}

const isHere = ({ hostname }: URL): boolean => ["127.0.0.1", "localhost", "[::1]"].includes(hostname);

const collect = (line: string, before: readonly string[] = []): readonly string[] => [...before, line];

function numberOf(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+(\.\d+)?$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`expected a number from ${min} to ${max}.`);
  };
}

function wholeNumberOf(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}.`);
  };
}

const invalid = (message: string): TuttiError => new TuttiError("InvalidOptions", message);
