import path from "node:path";
import {
  type ApplicationDefinition,
  DEFAULT_TRAFFIC,
  type DeploymentOverrides,
  type JsonObject,
  type Traffic,
} from "../policy/desired-state.ts";
import { definitionFaults, definitionsFaults } from "./definition-faults.ts";
import { definitionSchema, type WrittenDefinition } from "./definition-schema.ts";
import { type Fault, type FaultPath, shown } from "./fault.ts";
import { faultsOf } from "./schema-parts.ts";

export interface ReadDefinitions {
  /** Sorted by name; those without a fault. */
  readonly definitions: readonly ApplicationDefinition[];
  /** Every one. */
  readonly faults: readonly Fault[];
}

const MAX_APPLICATIONS = 256;

/**
 * Definitions as people wrote them → complete ones.
 *
 * @param value plain JSON.
 * @param base where relative paths of modules begin.
 * @param at where in the whole the list is, for the paths of faults.
 */
export function readDefinitions(value: unknown, base: string, at: FaultPath): ReadDefinitions {
  if (!Array.isArray(value)) {
    return {
      definitions: [],
      faults: [{ path: at, expected: "a list of applications", found: shown(value) }],
    };
  }
  if (value.length > MAX_APPLICATIONS) {
    const expected = `at most ${MAX_APPLICATIONS} applications`;
    return { definitions: [], faults: [{ path: at, expected, found: `${value.length}` }] };
  }
  const definitions: ApplicationDefinition[] = [];
  const faults: Fault[] = [];
  for (const [index, written] of value.entries()) {
    const here = [...at, index];
    const parsed = definitionSchema.safeParse(written);
    if (!parsed.success) {
      faults.push(...faultsOf(parsed.error, written, here));
      continue;
    }
    const definition = toDefinition(parsed.data, base);
    definitions.push(definition);
    faults.push(...definitionFaults(definition, here));
  }
  faults.push(...definitionsFaults(value, at));
  return { definitions: definitions.toSorted((a, b) => (a.name < b.name ? -1 : 1)), faults };
}

function toDefinition(written: WrittenDefinition, base: string): ApplicationDefinition {
  const { name, module, args = {}, route, version, traffic, deployments = {} } = written;
  return {
    name,
    module: path.resolve(base, module),
    // Plain JSON all through, as the caller promises; the schema of any JSON would say the same once more.
    args: args as JsonObject,
    ...(route === undefined ? {} : { route: withoutEnd(route) }),
    ...(version === undefined ? {} : { version }),
    traffic: toTraffic(traffic),
    deployments: withoutEmpty(deployments as Record<string, DeploymentOverrides>),
  };
}

function toTraffic({ steps = [], gates = {} }: NonNullable<WrittenDefinition["traffic"]> = {}): Traffic {
  const { maxP95Ms, maxP95Factor } = gates;
  return {
    steps,
    gates: {
      maxErrorFraction: gates.maxErrorFraction ?? DEFAULT_TRAFFIC.gates.maxErrorFraction,
      minRequests: gates.minRequests ?? DEFAULT_TRAFFIC.gates.minRequests,
      ...(maxP95Ms === undefined ? {} : { maxP95Ms }),
      ...(maxP95Factor === undefined ? {} : { maxP95Factor }),
    },
  };
}

/** `/offers/` and `/offers` are one route. */
const withoutEnd = (route: string): string => (route === "/" ? route : route.replace(/\/$/, ""));

/** An entry that says nothing is none; in order, since the order in which they are written means nothing. */
const withoutEmpty = (deployments: Readonly<Record<string, DeploymentOverrides>>) =>
  Object.fromEntries(
    Object.entries(deployments)
      .filter(([, options]) => Object.keys(options).length > 0)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
