import { existsSync, readFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import {
  type LoadFnOutput,
  type LoadHookSync,
  type ResolveHookSync,
  registerHooks,
  stripTypeScriptTypes,
} from "node:module";
import { fileURLToPath } from "node:url";
import { TuttiError } from "../errors/tutti-error.ts";

/** Where this package's own modules are, built or not; linked packages are not beneath `node_modules`. */
const TUTTI = new URL("..", import.meta.url).href;

/** Of what is compiled already the text says nothing, and a copy of it would not be where it looks for its neighbours. */
const NO_TEXT = new Set(["addon", "builtin", "wasm"]);

interface CodeFile {
  readonly format: string;
  readonly text: string;
  /** Of a TypeScript module: its text without types, for those that import it later. */
  readonly withoutTypes?: string | undefined;
}

/**
 * The user's own modules that this process imports. Packages are left out: they change by being installed, and there are many.
 *
 * - **U1** With a copy of them, those that are in it are imported as they are there, whatever has become of their files: processes
 *   that begin at different times run one code. Of TypeScript the copy has the text without types too: what strips them takes
 *   12 MB of each process that uses it, and 25 ms of its start.
 */
export class OwnCode {
  readonly #files = new Map<string, CodeFile | undefined>();
  #copy: ReadonlyMap<string, CodeFile> = new Map();

  /** Begins to note them, for the rest of the process's life. */
  constructor() {
    registerHooks({ load: this.#load });
  }

  /** Files that were imported from now on: what has to change for another start to see other code. */
  list(): readonly string[] {
    return [...this.#files.keys()].map((url) => fileURLToPath(url));
  }

  /** From now on, modules are imported as that copy has them. */
  use(copy: string): void {
    const files: Record<string, CodeFile> = JSON.parse(readFileSync(copy, "utf8"));
    this.#copy = new Map(Object.entries(files));
    // Each look-up costs more with such a hook, and it is hardly ever of use.
    if (Object.keys(files).some((url) => !existsSync(new URL(url))))
      registerHooks({ resolve: this.#resolve });
  }

  /** Writes a copy of what was imported, whole or not at all. @throws TuttiError `StartFailed` when it cannot be written. */
  async keep(copy: string): Promise<void> {
    const files = [...this.#files].flatMap(([url, file]) =>
      file === undefined ? [] : [[url, { ...file, withoutTypes: withoutTypes(file) }] as const],
    );
    const unfinished = `${copy}.${process.pid}`;
    try {
      await writeFile(unfinished, JSON.stringify(Object.fromEntries(files)), { mode: 0o600 });
      await rename(unfinished, copy);
    } catch (cause) {
      throw new TuttiError("StartFailed", `the version's code could not be kept in ${copy}`, {
        started: "no",
        cause,
      });
    }
    for (const url of this.#files.keys()) this.#files.set(url, undefined);
  }

  /**
   * @param copy a file: of the process that was the first to import this version, if there was one.
   * @param load imports it.
   */
  async importAs<T>(copy: string, load: () => Promise<T>): Promise<T> {
    const isFirst = !existsSync(copy);
    if (!isFirst) this.use(copy);
    const loaded = await load();
    if (isFirst) await this.keep(copy);
    return loaded;
  }

  readonly #load: LoadHookSync = (url, context, nextLoad) => {
    const copied = this.#copy.get(url);
    if (copied !== undefined) {
      this.#files.set(url, undefined);
      const { withoutTypes: source } = copied;
      if (source !== undefined) return { format: "module", source, shortCircuit: true };
      return (
        unchanged(url, copied, () => nextLoad(url, context)) ?? {
          format: copied.format,
          source: copied.text,
          shortCircuit: true,
        }
      );
    }
    const result = nextLoad(url, context);
    const isOwn = url.startsWith("file:") && !url.includes("/node_modules/") && !url.startsWith(TUTTI);
    if (isOwn) this.#files.set(url, toCodeFile(url, result));
    return result;
  };

  /** What is in the copy is found also where its file is not there any more, but for CommonJS, which Node looks for once more. */
  readonly #resolve: ResolveHookSync = (specifier, context, nextResolve) => {
    try {
      return nextResolve(specifier, context);
    } catch (thrown) {
      const url = URL.parse(specifier, context.parentURL)?.href;
      const copied = url === undefined ? undefined : this.#copy.get(url);
      if (url === undefined || copied === undefined) throw thrown;
      return { url, format: copied.format, shortCircuit: true };
    }
  };
}

/** Undefined for what is no TypeScript module, and for one that has to be transformed, which Node does if it is told to. */
function withoutTypes({ format, text }: CodeFile): string | undefined {
  if (format !== "module-typescript") return undefined;
  try {
    return stripTypeScriptTypes(text);
  } catch {
    return undefined;
  }
}

/** Nearly always the file is what it was: then Node loads it as it would. */
function unchanged(url: string, { text }: CodeFile, load: () => LoadFnOutput): LoadFnOutput | undefined {
  try {
    const result = load();
    return textOf(url, result) === text ? result : undefined;
  } catch {
    // It is gone, or is no module of this kind any more.
    return undefined;
  }
}

function toCodeFile(url: string, result: LoadFnOutput): CodeFile | undefined {
  const format = result.format ?? formatRequired(url);
  return NO_TEXT.has(format) ? undefined : { format, text: textOf(url, result) };
}

/** Of what CommonJS requires, Node does not say it. */
function formatRequired(url: string): string {
  if (url.endsWith(".json")) return "json";
  if (url.endsWith(".node")) return "addon";
  return url.endsWith("ts") ? "commonjs-typescript" : "commonjs";
}

/** Some formats Node reads only later, from the file. */
const textOf = (url: string, { source }: LoadFnOutput): string =>
  typeof source === "string" ? source : new TextDecoder().decode(source ?? readFileSync(new URL(url)));
