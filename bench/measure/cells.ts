import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { z } from "zod";
import { RESULTS } from "../reference/paths.ts";

const CELLS = `${RESULTS}cells/`;

/** What a run was started with; a resumed run must be of the same kind. */
export interface RunHeader {
  readonly suite: string;
  readonly quick: boolean;
  readonly startedAt: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** Measurements of one run, each stored as it finishes, so that a run that was broken off goes on where it was. */
export class CellStore {
  readonly runId: string;
  readonly header: RunHeader;
  readonly #directory: string;

  private constructor(runId: string, header: RunHeader) {
    this.runId = runId;
    this.header = header;
    this.#directory = `${CELLS}${runId}/`;
  }

  static create(header: RunHeader): CellStore {
    const stamp = header.startedAt.replace(/[:.]/g, "").replace("T", "-").slice(0, 17);
    const store = new CellStore(`${header.suite}${header.quick ? "-quick" : ""}-${stamp}`, header);
    mkdirSync(store.#directory, { recursive: true });
    store.#write("run", header);
    return store;
  }

  /** @param runId `latest` takes the newest run of the suite. @throws when there is none or it is of another kind. */
  static resume(runId: string, wanted: RunHeader): CellStore {
    const { suite, quick, parameters } = wanted;
    const prefix = `${suite}${quick ? "-quick" : ""}-2`;
    const runs = existsSync(CELLS) ? readdirSync(CELLS).filter((name) => name.startsWith(prefix)) : [];
    const found = runId === "latest" ? runs.sort().at(-1) : runs.find((name) => name === runId);
    if (found === undefined)
      throw new Error(`--resume ${runId}: expected one of ${runs.join(", ") || "no runs"}`);
    const header: RunHeader = JSON.parse(readFileSync(`${CELLS}${found}/run.json`, "utf8"));
    if (JSON.stringify(header.parameters) !== JSON.stringify(parameters)) {
      throw new Error(
        `--resume ${found}: that run was started with other parameters, in run.json beside its cells`,
      );
    }
    return new CellStore(found, header);
  }

  /** The stored measurement, or the result of taking it now. */
  async cell<T>(name: string, schema: z.ZodType<T>, measure: () => Promise<T>): Promise<T> {
    const stored = this.read(name, schema);
    if (stored !== undefined) return stored;
    const taken = await measure();
    this.#write(name, taken);
    return taken;
  }

  read<T>(name: string, schema: z.ZodType<T>): T | undefined {
    const path = this.#path(name);
    return existsSync(path) ? schema.parse(JSON.parse(readFileSync(path, "utf8"))) : undefined;
  }

  #write(name: string, value: unknown): void {
    const path = this.#path(name);
    writeFileSync(`${path}.part`, `${JSON.stringify(value, undefined, 1)}\n`);
    renameSync(`${path}.part`, path);
  }

  #path(name: string): string {
    return `${this.#directory}${name.replace(/[^\w.-]+/g, "_")}.json`;
  }
}
