import { TuttiError } from "../errors/tutti-error.ts";

export type FaultPath = readonly (string | number)[];

/** One thing that is wrong with data that people wrote, and where. */
export interface Fault {
  readonly path: FaultPath;
  readonly expected: string;
  readonly found: string;
}

/** As one would write it: `applications[0].deployments["m*"].replicas`. */
export function pathText(path: FaultPath): string {
  const parts = path.map((part) => {
    if (typeof part === "number") return `[${part}]`;
    return /^[A-Za-z_$][\w$]*$/.test(part) ? `.${part}` : `[${JSON.stringify(part)}]`;
  });
  return parts.join("").replace(/^\./, "");
}

export const faultText = ({ path, expected, found }: Fault): string =>
  `${pathText(path) || "the whole"}: expected ${expected}, found ${found}`;

/** More than anybody mends in one go; what is wrong everywhere is the same thing again and again. */
const MAX_TOLD = 100;

/** So many, and how many more there are. */
export function firstOf<T>(all: readonly T[]): {
  readonly told: readonly T[];
  readonly more: string | undefined;
} {
  const left = all.length - MAX_TOLD;
  return { told: all.slice(0, MAX_TOLD), more: left > 0 ? `and ${left} more` : undefined };
}

/** All faults in one error, so that they can be mended in one go. */
export function faultsError(subject: string, faults: readonly Fault[]): TuttiError {
  const { told, more } = firstOf(faults);
  const lines = told.map((fault) => `  ${faultText(fault)}`);
  if (more !== undefined) lines.push(`  ${more}`);
  const count = faults.length === 1 ? "one thing is" : `${faults.length} things are`;
  const path = pathText(faults[0]?.path ?? []);
  return new TuttiError("InvalidOptions", `${subject}: ${count} wrong\n${lines.join("\n")}`, {
    started: "no",
    ...(path === "" ? {} : { path }),
    details: {
      faults: told.map(({ path, expected, found }) => ({ path: pathText(path), expected, found })),
    },
  });
}

const MAX_SHOWN_CHARS = 60;

/** What was found, short, in one line: it may be anything. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string") {
    const text = value.length > MAX_SHOWN_CHARS ? `${value.slice(0, MAX_SHOWN_CHARS)}…` : value;
    return JSON.stringify(text);
  }
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
