import { jsonFaults } from "../config/check-json.ts";
import { type Fault, faultsError, shown } from "../config/fault.ts";
import type { StateStore } from "../config/state-store.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { adoptDefinitions, definitionOf } from "../policy/adopt-definitions.ts";
import type { ApplicationDefinition, DesiredState, JsonObject, Rollback } from "../policy/desired-state.ts";
import { type Change, preview } from "../policy/preview.ts";
import { ModuleGuard } from "./module-guard.ts";

export interface ApplicationsDeskOptions {
  readonly store: StateStore;
  /** Absolute; modules that come over the network lie beneath it. */
  readonly modulesDirectory: string;
  /** What the node as a whole was started with, for who compares; without secrets. */
  readonly settings: JsonObject;
}

export interface DesiredAnswer {
  readonly revision: number;
  readonly applications: readonly ApplicationDefinition[];
  readonly notes: Readonly<Record<string, Notes>>;
  readonly settings: JsonObject;
}

interface Notes {
  readonly rollback?: Rollback;
  readonly history: readonly ApplicationDefinition[];
}

export interface ChangesAnswer {
  readonly revision: number;
  readonly isDryRun: boolean;
  readonly changes: readonly Change[];
}

export interface ChangeRequest {
  /** The `if-match` header. */
  readonly ifMatch: string | undefined;
  /** As parsed; anything. */
  readonly body: unknown;
  readonly isDryRun: boolean;
}

/** Reads and changes the desired state for the admin API. */
export class ApplicationsDesk {
  readonly #options: ApplicationsDeskOptions;
  readonly #guard: ModuleGuard;

  constructor(options: ApplicationsDeskOptions) {
    this.#options = options;
    this.#guard = new ModuleGuard(options.modulesDirectory);
  }

  /** @throws TuttiError what the store throws. */
  async read(): Promise<DesiredAnswer> {
    const { revision, applications } = await this.#options.store.read();
    const notes = applications.map(({ name, rollback, history }): [string, Notes] => [
      name,
      { ...(rollback === undefined ? {} : { rollback }), history },
    ]);
    return {
      revision,
      applications: applications.map(definitionOf),
      notes: Object.fromEntries(notes),
      settings: this.#options.settings,
    };
  }

  /**
   * Puts all applications in the place of those that are there.
   *
   * @throws TuttiError `InvalidOptions` with every fault, `InvalidArgument` (428) without `if-match`, `RevisionConflict`
   * (412, or 409 when another writer came between), or what the store throws; nothing has changed then.
   */
  async change({ ifMatch, body, isDryRun }: ChangeRequest): Promise<ChangesAnswer> {
    const expected = revisionOf(ifMatch);
    const there = await this.#options.store.read();
    // Before the definitions are looked at: who has read something else would mend the wrong faults.
    if (expected !== "any" && expected !== there.revision) throw conflict(412, expected, there);
    const wanted = await this.#definitionsOf(body, there);
    const changes = preview(there.applications, wanted);
    if (isDryRun || changes.length === 0) return { revision: there.revision, isDryRun, changes };
    const adopted = adoptDefinitions(there.applications, wanted);
    const result = await this.#options.store.compareAndSet(there.revision, adopted);
    if (result.kind === "conflict") throw conflict(409, there.revision, result.state);
    return { revision: result.state.revision, isDryRun, changes };
  }

  async #definitionsOf(body: unknown, there: DesiredState): Promise<readonly ApplicationDefinition[]> {
    const { modulesDirectory } = this.#options;
    const list = listOf(body);
    // Loaded for who changes something: the library of the schemas is a tenth of a second and 20 MB.
    const { readDefinitions } = await import("../config/read-definitions.ts");
    const { definitions, faults } = readDefinitions(list, modulesDirectory, ["applications"]);
    const ofModules = await Promise.all(
      definitions
        // What is there already was let in, by this guard or by whoever started the node with it.
        .filter(
          ({ name, module }) => !there.applications.some((one) => one.name === name && one.module === module),
        )
        .map(({ name, module }) =>
          this.#guard.faultOf(module, ["applications", indexOf(list, name), "module"]),
        ),
    );
    const all = [...faults, ...ofModules.filter((fault) => fault !== undefined)];
    if (all.length > 0) throw faultsError("the applications cannot be taken", all);
    return definitions;
  }
}

/** @throws TuttiError `InvalidOptions` for what is not `{ applications: [...] }` in plain JSON. */
function listOf(body: unknown): unknown {
  const faults: Fault[] = jsonFaults(body);
  if (faults.length === 0 && (typeof body !== "object" || body === null || Array.isArray(body))) {
    faults.push({ path: [], expected: "{ applications: [...] }", found: shown(body) });
  }
  if (faults.length === 0) {
    const unknown = Object.keys(body as object).filter((key) => key !== "applications");
    faults.push(...unknown.map((key) => ({ path: [key], expected: WHAT_IT_TAKES, found: "an unknown key" })));
  }
  if (faults.length > 0) throw faultsError("the body cannot be taken", faults);
  return (body as { readonly applications?: unknown }).applications;
}

const WHAT_IT_TAKES = "applications alone (what the node as a whole is told takes a restart)";

function indexOf(list: unknown, name: string): number {
  const entries: readonly { readonly name?: unknown }[] = Array.isArray(list) ? list : [];
  return entries.findIndex((entry) => entry?.name === name);
}

/** What a revision is called in `etag` and `if-match`. */
export const etagOf = (revision: number): string => `"${revision}"`;

function revisionOf(ifMatch: string | undefined): number | "any" {
  if (ifMatch?.trim() === "*") return "any";
  const revision = /^"(\d{1,15})"$/.exec(ifMatch?.trim() ?? "")?.[1];
  if (revision !== undefined) return Number(revision);
  const found = ifMatch === undefined ? "nothing" : shown(ifMatch);
  const message = `if-match: expected the etag that GET /api/applications gave, or * for whatever is there, found ${found}`;
  throw new TuttiError("InvalidArgument", message, { status: 428, path: "headers.if-match" });
}

const conflict = (status: number, expected: number, { revision }: DesiredState): TuttiError =>
  new TuttiError(
    "RevisionConflict",
    `expected revision ${expected}, found ${revision}: somebody has changed the applications meanwhile; read them again, then decide again`,
    { status, started: "no" },
  );
