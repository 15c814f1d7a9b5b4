import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { resolveAdminOptions } from "../src/admin/admin-options.ts";
import { application } from "../src/api/application.ts";
import { batched } from "../src/api/batched.ts";
import { bindingOf } from "../src/api/binding.ts";
import { mean } from "../src/api/combiners.ts";
import { deployment } from "../src/api/deployment.ts";
import { resolveEnsembleOptions } from "../src/api/ensemble-options.ts";
import { checkCallOptions } from "../src/api/handle-proxy.ts";
import { benchCommand } from "../src/cli/bench.ts";
import { buildCommand } from "../src/cli/build.ts";
import { configCommand } from "../src/cli/config.ts";
import { deployCommand } from "../src/cli/deploy.ts";
import { doctorCommand } from "../src/cli/doctor.ts";
import { EXIT } from "../src/cli/exit-codes.ts";
import { runCommand } from "../src/cli/run.ts";
import { statusCommand } from "../src/cli/status.ts";
import { definitionSchema } from "../src/config/definition-schema.ts";
import {
  CODE_DEFAULTS,
  MODEL_DEFAULTS,
  type ResolvedDeploymentOptions,
  resolveDeploymentOptions,
} from "../src/config/deployment-options.ts";
import { resolveNodeOptions } from "../src/config/node-options.ts";
import { resolveRoutingOptions } from "../src/config/routing-options.ts";
import { parseConfigFile } from "../src/config-file/config-file.ts";
import { fileSchema } from "../src/config-file/config-schema.ts";
import { ERROR_CODES } from "../src/errors/codes.ts";
import { resolveAdmissionOptions } from "../src/ingress/admission-options.ts";
import { resolveIngressOptions } from "../src/ingress/ingress-options.ts";
import { modelRepository, onnxModel } from "../src/onnx/onnx-model.ts";
import { resolveSessionOptions } from "../src/onnx/session-options.ts";
import { serve } from "../src/runtime/serve.ts";
import { PLANT_FIELDS } from "../src/testing/plant.ts";
import { SIMULATION_OPTIONS } from "../src/testing/simulation-options.ts";

/** Documents say what the code says: each test compares a document with what it is about. */
const root = path.resolve(import.meta.dirname, "..");
const read = (file: string): string => readFileSync(path.join(root, file), "utf8");
const git = (...args: string[]): string[] =>
  execFileSync("git", args, { cwd: root, encoding: "utf8" }).split("\n").filter(Boolean);

/** What is, or is about to be, in the repository. A file that was deleted is still listed until that is staged. */
const files = git("ls-files", "-co", "--exclude-standard").filter((file) =>
  statSync(path.join(root, file), { throwIfNoEntry: false })?.isFile(),
);
const documents = files.filter((file) => file.endsWith(".md"));

/** The text without fenced blocks, where brackets and hashes mean other things. */
const prose = (text: string): string => text.replaceAll(/^```[\s\S]*?^```/gm, "");

/** From a heading to the next of its level or above. */
function section(text: string, heading: string): string {
  const level = /^#+/.exec(heading)?.[0].length ?? 1;
  const start = `\n${text}`.indexOf(`\n${heading}\n`);
  if (start < 0) throw new Error(`there is no heading ${heading}`);
  const rest = text.slice(start + heading.length);
  const end = rest.search(new RegExp(`\\n#{1,${level}} `));
  return end < 0 ? rest : rest.slice(0, end);
}

/** Rows of the tables in a text, without their heads, as cells. */
function tableRows(text: string): string[][] {
  const lines = text.split("\n");
  return lines.flatMap((line, index) => {
    const isHead = /^\| -/.test(lines[index + 1] ?? "");
    if (!line.startsWith("| ") || line.startsWith("| -") || isHead) return [];
    return [
      line
        .slice(1, line.lastIndexOf("|"))
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    ];
  });
}

const unquote = (cell: string): string => /^`(.*)`$/.exec(cell)?.[1] ?? cell;

describe("docs/errors.md", () => {
  it("has the table of codes, in its order", () => {
    const documented = tableRows(read("docs/errors.md")).map(([code = "", ...rest]) => [
      unquote(code),
      ...rest,
    ]);
    const codes = Object.entries(ERROR_CODES).map(([code, { http, grpc, retryable, meaning }]) => {
      return [code, String(http), grpc, retryable ? "yes" : "no", meaning];
    });
    expect(documented).toEqual(codes);
  });
});

describe("docs/dependencies.md", () => {
  const text = read("docs/dependencies.md");
  const { dependencies, devDependencies } = JSON.parse(read("package.json"));

  it.each([
    ["## At run time", dependencies],
    ["## For development", devDependencies],
  ])("has under %s each package of package.json with its reason, and no other", (heading, packages) => {
    const rows = tableRows(section(text, heading));
    expect(rows.map(([name = ""]) => unquote(name))).toEqual(Object.keys(packages));
    for (const cells of rows) for (const cell of cells) expect(cell, cells[0]).not.toBe("");
  });
});

class Front {
  get(): number {
    return 1;
  }
}

/** What a table says is the default of an option whose resolver leaves it open. */
const NONE = "none";
const REQUIRED = "required";

const shown = (value: unknown): string => {
  if (typeof value === "number") return value.toLocaleString("en-US");
  return typeof value === "string" ? `\`${value}\`` : String(value ?? NONE);
};

const all = (options: object): Record<string, string> =>
  Object.fromEntries(Object.entries(options).map(([name, value]) => [name, shown(value)]));

function ofDeployment(resolved: ResolvedDeploymentOptions) {
  const { replicas, maxOngoingRequests, maxQueueMs, memoryMb, gracefulShutdownMs, idempotent } = resolved;
  return {
    replicas: shown(replicas.initial),
    ...all({ maxOngoingRequests, maxQueueMs }),
    resources: NONE,
    "resources.memoryMb": shown(memoryMb),
    ...all({ gracefulShutdownMs, idempotent }),
  };
}

/** Every way to give options in `docs/reference/configuration.md`, with an option that nobody knows in it. */
const stranger = { noSuchOption: 1 } as object;
const name = "x";
const model = { name, path: "x.onnx" };
const run = async (inputs: number[]) => inputs;
const ingress = deployment(Front).bind();
const http = { "GET /": "get" } as const;
const route = (options: object) =>
  application({ name, ingress, http: { "GET /": { method: "get", ...options } as { method: "get" } } });

/** The known options, as the refusal of an unknown one lists them. */
async function knownOptions(resolve: () => unknown): Promise<string[]> {
  let message = "nothing was refused";
  try {
    await resolve();
  } catch (thrown) {
    message = thrown instanceof Error ? thrown.message : String(thrown);
  }
  const list = /known: (.+)$/.exec(message)?.[1] ?? /expected one of (.+), (?:got|found)/.exec(message)?.[1];
  if (list === undefined) throw new Error(`expected the refusal of an unknown option, got: ${message}`);
  return list.split(", ");
}

const code = resolveDeploymentOptions(name, {}, CODE_DEFAULTS);
const bounds = resolveDeploymentOptions(name, { replicas: {} as { min: 1; max: 1 } }, CODE_DEFAULTS).replicas;
const made = application({ name, ingress, http });
const modelBinding = bindingOf(onnxModel(model));
const ingressDefaults = resolveIngressOptions();
const ensembleDefaults = resolveEnsembleOptions(["a", "b"], { combine: mean });

interface OptionTable {
  readonly heading: string;
  readonly defaults: Readonly<Record<string, string>>;
  /** Dotted names in the table are those of the object that the part before the dot names. */
  readonly known: () => Promise<string[]>;
}

const known = (prefix: string, resolve: () => unknown) => async () =>
  (await knownOptions(resolve)).map((option) => `${prefix}${option}`);

const together =
  (...parts: readonly (() => Promise<string[]>)[]) =>
  async () =>
    (await Promise.all(parts.map((part) => part()))).flat();

const OPTION_TABLES: readonly OptionTable[] = [
  {
    heading: "## Node",
    defaults: { ...all(resolveNodeOptions()), lanes: "one for each core" },
    known: known("", () => resolveNodeOptions(stranger)),
  },
  {
    heading: "## HTTP edge",
    defaults: {
      ...all(ingressDefaults),
      admission: NONE,
      ...Object.fromEntries(
        Object.entries(ingressDefaults.admission).map(([option, value]) => [
          `admission.${option}`,
          shown(value),
        ]),
      ),
    },
    known: together(
      known("", () => resolveIngressOptions(stranger)),
      known("admission.", () => resolveAdmissionOptions(stranger)),
    ),
  },
  {
    heading: "## Admin",
    defaults: all(resolveAdminOptions()),
    known: known("", () => resolveAdminOptions(stranger)),
  },
  {
    heading: "## `serve`",
    defaults: { http: "see above", node: "see above", admin: NONE, models: "`process`", logLevel: "`warn`" },
    known: known("", () => serve(made, stranger)),
  },
  {
    heading: "## Application",
    defaults: {
      name: REQUIRED,
      ...all({ route: made.route, version: made.version, deadlineMs: made.deadlineMs }),
      ingress: REQUIRED,
      http: NONE,
      routing: NONE,
      method: REQUIRED,
      body: shown(made.routes[0]?.body),
      fallback: shown(made.routes[0]?.fallback),
      priority: shown(made.routes[0]?.priority),
    },
    known: together(
      known("", () => application({ name, ingress, http, ...stranger })),
      known("", () => route(stranger)),
    ),
  },
  {
    heading: "## Routing",
    defaults: all(resolveRoutingOptions()),
    known: known("", () => resolveRoutingOptions(stranger)),
  },
  {
    heading: "## Deployment",
    defaults: {
      name: "the class's name",
      ...ofDeployment(code),
      "replicas.min": shown(bounds.min),
      "replicas.max": shown(bounds.max),
      "replicas.initial": "`min`",
      compute: shown(code.compute),
      userConfig: shown(code.userConfig),
      healthCheck: NONE,
      "healthCheck.periodMs": shown(code.healthCheckPeriodMs),
      "healthCheck.timeoutMs": shown(code.healthCheckTimeoutMs),
    },
    known: together(
      known("", () => deployment(Front, stranger)),
      known("replicas.", () => deployment(Front, { replicas: { min: 1, max: 1, ...stranger } })),
      known("resources.", () => deployment(Front, { resources: stranger })),
      known("healthCheck.", () => deployment(Front, { healthCheck: stranger })),
    ),
  },
  {
    heading: "## Models",
    defaults: {
      name: REQUIRED,
      path: REQUIRED,
      ...ofDeployment(resolveDeploymentOptions(name, {}, MODEL_DEFAULTS)),
      batching: NONE,
      "batching.maxBatchSize": shown(modelBinding?.kind === "model" ? modelBinding.maxBatchRows : undefined),
      session: NONE,
      versions: "the highest number",
      namePrefix: NONE,
    },
    known: together(
      known("", () => onnxModel({ ...model, ...stranger })),
      known("resources.", () => onnxModel({ ...model, resources: stranger })),
      known("batching.", () => onnxModel({ ...model, batching: stranger })),
      // They are not refused by a list of their own: what `modelRepository` knows beside them is what a model knows.
      async () => ["versions", "namePrefix"],
    ),
  },
  {
    heading: "## Ensemble",
    defaults: {
      combine: REQUIRED,
      select: "the only number or string",
      weights: ensembleDefaults.rules.weights.every((weight) => weight === 1) ? "1 each" : "other",
      quorum: ensembleDefaults.rules.required.includes(false) ? "other" : "every member that is not optional",
      required: "none beyond the quorum",
      optional: ensembleDefaults.optional.includes(true) ? "other" : NONE,
      ...all({
        minWeight: ensembleDefaults.rules.minWeight,
        deadlineMs: ensembleDefaults.deadlineMs,
        reserveMs: ensembleDefaults.reserveMs,
        default: ensembleDefaults.defaults,
        hedge: ensembleDefaults.hedge,
      }),
      onMissing: ensembleDefaults.defaults === undefined ? "renormalise" : "other",
    },
    known: known("", () => resolveEnsembleOptions(["a"], { combine: mean, ...stranger })),
  },
  {
    heading: "## Call options",
    defaults: { deadlineMs: "the request's", hedge: "false", priority: "the request's", signal: NONE },
    known: known("", () => checkCallOptions(stranger)),
  },
  {
    heading: "## Batched",
    defaults: all(batched({}, run).batchedOptions),
    known: known("", () => batched(stranger, run)),
  },
];

describe("docs/guides/testing.md", () => {
  const firstCells = (heading: string) =>
    tableRows(section(read("docs/guides/testing.md"), heading)).flatMap(([cell = ""]) =>
      cell.split(", ").map(unquote),
    );

  it("has every field of a plant, and every option of a world", () => {
    expect(firstCells("## Plants")).toEqual(PLANT_FIELDS);
    expect(firstCells("## Options")).toEqual(SIMULATION_OPTIONS);
  });
});

describe("docs/reference/configuration.md", () => {
  const text = read("docs/reference/configuration.md");

  it.each(OPTION_TABLES)("has the options and defaults of the code under $heading", async (table) => {
    const rows = tableRows(section(text, table.heading));
    const documented = Object.fromEntries(rows.map(([option = "", value = ""]) => [unquote(option), value]));
    expect(Object.keys(documented)).toHaveLength(rows.length);
    expect(documented).toEqual(table.defaults);
    expect(Object.keys(documented).sort()).toEqual((await table.known()).sort());
  });

  it("knows the options that only a repository of models has", () => {
    const directory = path.join(root, "examples/dynamic-offers/models/tower/v1");
    const versions = { "m01-year-everyone": 1 };
    const [first] = modelRepository(directory, { versions, namePrefix: "tower." });
    expect(bindingOf(first)?.name).toBe("tower.m01-year-everyone");
  });

  it("has the flags of tutti run, with the defaults that the help tells", () => {
    const documented = tableRows(section(text, "## `tutti run`")).map(([flag = "", value]) => [
      unquote(flag),
      value,
    ]);
    const flags = runCommand().options.map(({ flags: flag, description, defaultValue }) => {
      const told = /\(default: (.+)\)$/.exec(description)?.[1] ?? defaultValue;
      return [flag, told === false ? "off" : told];
    });
    expect(documented).toEqual(flags);
    const { host, port } = resolveIngressOptions();
    const { codeExecutors, spares } = resolveNodeOptions();
    const values = new Map(documented.map(([flag = "", value]) => [flag.split(" ")[0], value]));
    expect(values.get("--host")).toBe(host);
    expect(values.get("--port")).toBe(String(port));
    expect(values.get("--code-executors")).toBe(String(codeExecutors));
    expect(values.get("--spares")).toBe(String(spares));
  });
});

describe("docs/reference/command-line.md", () => {
  const text = read("docs/reference/command-line.md");

  it.each([
    ["## `tutti build`", buildCommand()],
    ["## `tutti deploy`", deployCommand()],
    ["## `tutti config`", configCommand()],
    ["## `tutti status`", statusCommand()],
    ["## `tutti bench`", benchCommand()],
    ["## `tutti doctor`", doctorCommand()],
  ])("has under %s its flags, with the defaults that the help tells", (heading, command) => {
    const documented = tableRows(section(text, heading)).map(([flag = "", value]) => [unquote(flag), value]);
    const told = command.options.map(({ flags, description }) => [
      flags,
      /\(default: (.+)\)$/.exec(description)?.[1],
    ]);
    expect(documented).toEqual(told);
  });
});

describe("docs/reference/config-file.md", () => {
  const text = read("docs/reference/config-file.md");
  const keysUnder = (from: string, to: string) =>
    tableRows(text.slice(text.indexOf(from), text.indexOf(to))).map(([key = ""]) => unquote(key));

  it("has every key that a file may have, and of an application, and no other", () => {
    expect(keysUnder("## What it may hold", "Of each application:")).toEqual(Object.keys(fileSchema.shape));
    const ofApplication = keysUnder("Of each application:", "In a pattern");
    expect([...new Set(ofApplication.map((key) => key.split(".")[0]))]).toEqual(
      Object.keys(definitionSchema.shape),
    );
  });

  it("has an example that is taken as it is", () => {
    const example = /```yaml\n([\s\S]*?)```/.exec(text)?.[1] ?? "";
    const { applications } = parseConfigFile(example, "/srv/tutti.yaml");
    expect(applications?.map(({ name }) => name)).toEqual(["offers"]);
  });
});

describe("the guides", () => {
  it("have in onnx.md every option of a session", () => {
    const rows = tableRows(section(read("docs/guides/onnx.md"), "## Session options"));
    const documented = rows.map(([options = ""]) => options).join(" ");
    for (const option of Object.keys(resolveSessionOptions())) expect(documented).toContain(`\`${option}\``);
  });

  it("have in getting-started.md every exit code", () => {
    const rows = tableRows(section(read("docs/guides/getting-started.md"), "## Exit codes"));
    expect(rows.map(([exit]) => Number(exit))).toEqual(Object.values(EXIT));
  });
});

describe("ARCHITECTURE.md", () => {
  const text = read("ARCHITECTURE.md");

  it("lists exactly the folders of src", () => {
    const rooms = files.flatMap((file) => /^src\/([^/]+)\//.exec(file)?.[1] ?? []);
    const listed = tableRows(section(text, "## The tree")).map(
      ([room = ""]) => /^\[`src\/([^`]+)\/`\]/.exec(room)?.[1],
    );
    expect(listed).toEqual([...new Set(rooms)].sort());
  });

  it("cites tests that exist", () => {
    const cited = [...text.matchAll(/\]\(([^)]+\.ts)\): "([^"]+)"/g)];
    expect(cited.length).toBeGreaterThan(10);
    for (const [, file = "", sentence = ""] of cited) expect(read(file), file).toContain(sentence);
  });
});

describe("the levels of rooms", () => {
  it.each(["ARCHITECTURE.md", "docs/decisions/0007-import-levels.md"])(
    "are in %s as the check has them",
    (file) => {
      const source = /const LEVELS = (\[[\s\S]*?\n\]);/.exec(read("scripts/check-imports.mjs"))?.[1] ?? "";
      const rooms = new Set([...files.flatMap((one) => /^src\/([^/]+)\//.exec(one)?.[1] ?? []), "index.ts"]);
      const levels: string[][] = JSON.parse(source.replaceAll(/,(\s*\])/g, "$1"));
      const enforced = levels.map((level) => level.filter((room) => rooms.has(room)));
      const told = read(file)
        .split("\n")
        .flatMap((line) => /^(?:\| (\d+) \|(.*)\||(\d+)\. (`.*`))$/.exec(line)?.slice(1) ?? [])
        .filter((cell): cell is string => cell?.includes("`") ?? false)
        .map((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, room]) => room));
      expect(told).toEqual(enforced);
    },
  );
});

describe("README.md", () => {
  const lines = read("README.md").trimEnd().split("\n");

  it("has at most 200 lines, and says how to start and test in the first 40", () => {
    expect(lines.length).toBeLessThanOrEqual(200);
    const first = lines.slice(0, 40).join("\n");
    for (const command of ["npm start", "npm test", "curl"]) expect(first).toContain(command);
  });

  it("has a place for the benchmarks, and says where the data are from", () => {
    const text = lines.join("\n");
    expect(text).toMatch(/<!-- benchmarks:start -->\n[\s\S]*<!-- benchmarks:end -->/);
    expect(text.replaceAll("\n", " ")).toContain(
      '"Online Shoppers Purchasing Intention", C. O. Sakar, S. O. Polat, M. Katircioglu, Y. Kastro 2018, UCI Machine Learning Repository, CC BY 4.0',
    );
  });
});

/** As the usual renderers make them: lower case, without punctuation, dashes for spaces. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");

describe("every document", () => {
  it("was seen", () => {
    expect(documents.length).toBeGreaterThan(20);
  });

  it.each(documents)("%s has links that lead somewhere", (file) => {
    const broken: string[] = [];
    for (const [, link = ""] of prose(read(file)).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const [target = "", anchor] = link.split("#");
      const found = target === "" ? file : path.posix.join(path.posix.dirname(file), target);
      if (!files.some((one) => one === found || one.startsWith(`${found}/`))) broken.push(link);
      else if (anchor !== undefined) {
        const anchors = [...prose(read(found)).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
          anchorOf(heading),
        );
        if (!anchors.includes(anchor)) broken.push(link);
      }
    }
    expect(broken).toEqual([]);
  });
});

interface CodeBlock {
  readonly from: string;
  readonly source: string;
}

/** Blocks that are whole files: their first line is a comment with the file's name, or the fence says `ts check`. */
function wholeFiles(file: string): CodeBlock[] {
  return [...read(file).matchAll(/^```ts( check)?\n([\s\S]*?)^```/gm)].flatMap(
    ([, check, source = ""], index) =>
      check !== undefined || /^\/\/ [\w.-]+\.ts\n/.test(source)
        ? [{ from: `${file}, block ${index + 1}`, source }]
        : [],
  );
}

describe("code in documents", () => {
  it("compiles against the public entry, under the project's own options", { timeout: 120_000 }, () => {
    const blocks = documents.flatMap(wholeFiles);
    expect(blocks.length).toBeGreaterThan(3);
    const { config } = ts.readConfigFile(path.join(root, "tsconfig.json"), ts.sys.readFile);
    const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
    // In the repository's folder, so that packages are found; they exist only in memory.
    const sources = new Map(
      blocks.map(({ source }, index) => [path.join(root, `document-${index}.mts`), source]),
    );
    const resolved = { ...options, paths: { tutti: [path.join(root, "src/index.ts")] } };
    const host = ts.createCompilerHost(resolved);
    const { fileExists, readFile, getSourceFile } = host;
    host.fileExists = (name) => sources.has(name) || fileExists(name);
    host.readFile = (name) => sources.get(name) ?? readFile(name);
    host.getSourceFile = (name, languageVersion, ...rest) => {
      const source = sources.get(name);
      if (source === undefined) return getSourceFile(name, languageVersion, ...rest);
      return ts.createSourceFile(name, source, languageVersion);
    };
    const program = ts.createProgram([...sources.keys()], resolved, host);
    const problems = [...sources.keys()].flatMap((name, index) => {
      const source = program.getSourceFile(name);
      const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
      return found.map(({ messageText, start = 0 }) => {
        const line = (source?.getLineAndCharacterOfPosition(start).line ?? 0) + 1;
        return `${blocks[index]?.from}, line ${line}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
      });
    });
    expect(problems).toEqual([]);
  });
});

describe("what is in the repository", () => {
  const texts = files
    .filter((file) => !/\.(onnx|png|svg|ubj)$/.test(file))
    .map((file) => ({ file, text: read(file) }))
    .filter(({ text }) => !text.includes("\0"));
  const self = path.posix.join("scripts", path.basename(import.meta.filename));

  const offenders = (pattern: RegExp) =>
    texts.filter(({ file, text }) => file !== self && pattern.test(text)).map(({ file }) => file);

  it("has no paths of one machine", () => {
    expect(offenders(/(?<![\w.$}])\/(?:work|root|home\/\w+|Users\/\w+)\//)).toEqual([]);
  });

  it("has no addresses of package registries", () => {
    expect(offenders(/\bregistry\.[a-z0-9-]+\.[a-z]{2,}|"resolved":\s*"https?:/)).toEqual([]);
  });
});
