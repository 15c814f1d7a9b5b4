import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { jsonFaults } from "../config/check-json.ts";
import { type Fault, faultText, firstOf, pathText } from "../config/fault.ts";
import { readDefinitions } from "../config/read-definitions.ts";
import { faultsOf } from "../config/schema-parts.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { ApplicationDefinition } from "../policy/desired-state.ts";
import { fileSchema } from "./config-schema.ts";
import { type NodeSettings, toSettings } from "./node-settings.ts";
import { MAX_FILE_BYTES, type Position, parseYaml } from "./parse-yaml.ts";

export interface ConfigFile {
  /** Absolute. */
  readonly path: string;
  /** Of the node as a whole; read when it starts. */
  readonly settings: NodeSettings;
  /** Sorted by name; undefined when the file says nothing of applications. */
  readonly applications: readonly ApplicationDefinition[] | undefined;
}

/** @throws TuttiError `InvalidOptions` with every fault of the file, each with its line. */
export async function readConfigFile(file: string): Promise<ConfigFile> {
  return parseConfigFile(await readText(file), path.resolve(file));
}

/**
 * @param file absolute path, for messages and as where relative paths begin.
 * @throws TuttiError `InvalidOptions` with every fault, each with its line.
 */
export function parseConfigFile(text: string, file: string): ConfigFile {
  const parsed = parseYaml(text);
  if (parsed.kind === "faulty") {
    throw invalid(
      file,
      parsed.faults.map(({ message, at }) => ({ line: at?.line, text: message })),
    );
  }
  // An empty file, or one of comments alone, says nothing and is not wrong.
  const value = parsed.value ?? {};
  const directory = path.dirname(file);
  const faults: Fault[] = jsonFaults(value);
  // What is no JSON may be anything: nothing more is looked at.
  if (faults.length > 0) throw withLines(file, faults, parsed.positionOf);
  const whole = fileSchema.safeParse(value);
  if (!whole.success) faults.push(...faultsOf(whole.error, value));
  const written = (value as { readonly applications?: unknown }).applications;
  const read = written === undefined ? undefined : readDefinitions(written, directory, ["applications"]);
  faults.push(...(read?.faults ?? []));
  if (!whole.success || faults.length > 0) throw withLines(file, faults, parsed.positionOf);
  const { applications: _, ...settings } = whole.data;
  return { path: file, settings: toSettings(settings, directory), applications: read?.definitions };
}

async function readText(file: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES) {
      throw new TuttiError(
        "InvalidOptions",
        `${file}: expected at most ${MAX_FILE_BYTES} bytes, found ${size}`,
      );
    }
    return await readFile(file, "utf8");
  } catch (thrown) {
    if (thrown instanceof TuttiError) throw thrown;
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new TuttiError("InvalidOptions", `${file} cannot be read: ${why}`, { cause: thrown });
  }
}

interface Line {
  readonly line: number | undefined;
  readonly text: string;
}

function withLines(
  file: string,
  faults: readonly Fault[],
  positionOf: (path: Fault["path"]) => Position | undefined,
): TuttiError {
  const lines = faults.map((fault) => ({ line: positionOf(fault.path)?.line, text: faultText(fault) }));
  const sorted = lines.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0));
  return invalid(file, sorted, pathText(faults[0]?.path ?? []));
}

/** As compilers say it, so that editors and terminals make links of it. */
function invalid(file: string, lines: readonly Line[], at = ""): TuttiError {
  const shownFile = path.relative(process.cwd(), file);
  const name = shownFile.startsWith("..") ? file : shownFile;
  const { told, more } = firstOf(lines);
  const texts = told.map(({ line, text }) => `${name}${line === undefined ? "" : `:${line}`}: ${text}`);
  if (more !== undefined) texts.push(`${name}: ${more}`);
  return new TuttiError("InvalidOptions", texts.join("\n"), {
    started: "no",
    ...(at === "" ? {} : { path: at }),
    details: { faults: told.map(({ line, text }) => ({ line: line ?? null, text })) },
  });
}
