import type { ApplicationDefinition } from "../policy/desired-state.ts";
import type { Fault, FaultPath } from "./fault.ts";

/** Each is matched with each deployment. */
const MAX_ENTRIES = 1000;

/** Values that are each as they may be, and cannot be together. */
export function definitionFaults(definition: ApplicationDefinition, at: FaultPath): Fault[] {
  return [
    ...trafficFaults(definition, [...at, "traffic"]),
    ...deploymentsFaults(definition, [...at, "deployments"]),
    ...replicaFaults(definition, [...at, "deployments"]),
  ];
}

function trafficFaults({ traffic: { steps, gates } }: ApplicationDefinition, at: FaultPath): Fault[] {
  const faults: Fault[] = [];
  for (const [index, { weight }] of steps.entries()) {
    const before = steps[index - 1]?.weight ?? 0;
    if (weight > before) continue;
    const path = [...at, "steps", index, "weight"];
    faults.push({ path, expected: `more than the ${before} of the step before`, found: String(weight) });
  }
  if (gates.maxP95Ms !== undefined && gates.maxP95Factor !== undefined) {
    const path = [...at, "gates", "maxP95Factor"];
    faults.push({ path, expected: "nothing beside maxP95Ms", found: String(gates.maxP95Factor) });
  }
  return faults;
}

function deploymentsFaults({ deployments }: ApplicationDefinition, at: FaultPath): Fault[] {
  const { length } = Object.keys(deployments);
  if (length <= MAX_ENTRIES) return [];
  return [{ path: at, expected: `at most ${MAX_ENTRIES} names and patterns`, found: String(length) }];
}

function replicaFaults({ deployments }: ApplicationDefinition, at: FaultPath): Fault[] {
  return Object.entries(deployments).flatMap(([name, { replicas }]) => {
    if (typeof replicas !== "object") return [];
    const { min, max, initial = min } = replicas;
    const path = [...at, name, "replicas"];
    if (min > max) return [{ path: [...path, "min"], expected: `at most max, ${max}`, found: String(min) }];
    if (initial >= min && initial <= max) return [];
    return [{ path: [...path, "initial"], expected: `from ${min} to ${max}`, found: String(initial) }];
  });
}

/** What no two applications may have in common; of whatever is there, complete or not. */
export function definitionsFaults(list: readonly unknown[], at: FaultPath): Fault[] {
  const faults: Fault[] = [];
  for (const key of ["name", "route"] as const) {
    const first = new Map<string, number>();
    for (const [index, one] of list.entries()) {
      const value = textAt(one, key);
      if (value === undefined) continue;
      const other = first.get(value);
      if (other === undefined) first.set(value, index);
      else {
        const expected = `a ${key} of its own`;
        faults.push({ path: [...at, index, key], expected, found: `that of the application at ${other}` });
      }
    }
  }
  return faults;
}

function textAt(one: unknown, key: "name" | "route"): string | undefined {
  const value =
    typeof one === "object" && one !== null ? (one as { readonly [key]?: unknown })[key] : undefined;
  if (typeof value !== "string") return undefined;
  return key === "route" && value.length > 1 ? value.replace(/\/$/, "") : value;
}
