import {
  type ApplicationDefinition,
  type DeploymentOverrides,
  type DesiredApplication,
  type Json,
  OVERRIDE_EFFECTS,
} from "./desired-state.ts";
import { equalJson } from "./equal-json.ts";

/**
 * What will change between two sets of definitions, and nothing else:
 *
 * - **P1** There is no change exactly when they are equal.
 * - **P2** The changes, applied to what is there, give what is wanted (`applyChanges`).
 */
export type Change =
  | { readonly kind: "added"; readonly application: string; readonly definition: ApplicationDefinition }
  | { readonly kind: "removed"; readonly application: string }
  /** Other code: brought by a rollout, in the way that `traffic` of the new definition says. */
  | {
      readonly kind: "version";
      readonly application: string;
      readonly from: Code;
      readonly to: Code;
    }
  | {
      readonly kind: "route" | "traffic";
      readonly application: string;
      /** Undefined: the module's own. */
      readonly from: Json | undefined;
      readonly to: Json | undefined;
    }
  | {
      readonly kind: "option";
      readonly application: string;
      /** Its name, or the pattern that it is written under. */
      readonly deployment: string;
      readonly option: OptionName;
      /** Undefined: what another entry says, or the module. */
      readonly from: Json | undefined;
      readonly to: Json | undefined;
      /** `restart`: the deployment's replicas are made anew. */
      readonly effect: "inPlace" | "restart";
    }
  /** It was rolled back; now that its definition is another one, that one is tried. */
  | { readonly kind: "retried"; readonly application: string; readonly reason: string };

export type OptionName = keyof typeof OVERRIDE_EFFECTS;

/** What a version is made of, beside the options for which replicas are made anew. */
export type Code = Pick<ApplicationDefinition, "module" | "args" | "version">;

const OPTION_NAMES = Object.keys(OVERRIDE_EFFECTS) as readonly OptionName[];

export function isSameCode(a: Code, b: Code): boolean {
  return a.module === b.module && a.version === b.version && equalJson(a.args, b.args);
}

/** Whether two definitions of one application are of one version: nothing of them differs for which replicas are made anew. */
export function isSameVersion(a: ApplicationDefinition, b: ApplicationDefinition): boolean {
  return changesOf(a, b).every(
    (change) => change.kind !== "version" && (change.kind !== "option" || change.effect === "inPlace"),
  );
}

/** Whether two definitions are one, whatever the order of their keys. */
export function isSameDefinition(a: ApplicationDefinition, b: ApplicationDefinition): boolean {
  return changesOf(a, b).length === 0;
}

/** Changes in the order of the applications' names. Both sets have each name once. */
export function preview(
  before: readonly (ApplicationDefinition & Pick<DesiredApplication, "rollback">)[],
  after: readonly ApplicationDefinition[],
): Change[] {
  const old = byName(before);
  const wanted = byName(after);
  const names = [...new Set([...old.keys(), ...wanted.keys()])].toSorted();
  return names.flatMap((application): Change[] => {
    const from = old.get(application);
    const to = wanted.get(application);
    if (to === undefined) return [{ kind: "removed", application }];
    if (from === undefined) return [{ kind: "added", application, definition: to }];
    const changes = changesOf(from, to);
    const { rollback } = from;
    if (rollback === undefined || changes.length === 0) return changes;
    return [...changes, { kind: "retried", application, reason: rollback.reason }];
  });
}

const byName = <T extends ApplicationDefinition>(definitions: readonly T[]) =>
  new Map(definitions.map((definition) => [definition.name, definition]));

function changesOf(from: ApplicationDefinition, to: ApplicationDefinition): Change[] {
  const application = to.name;
  const changes: Change[] = [];
  if (!isSameCode(from, to))
    changes.push({ kind: "version", application, from: codeOf(from), to: codeOf(to) });
  if (from.route !== to.route) {
    changes.push({ kind: "route", application, from: from.route, to: to.route });
  }
  const [oldTraffic, newTraffic] = [toJson(from.traffic), toJson(to.traffic)];
  if (!equalJson(oldTraffic, newTraffic)) {
    changes.push({ kind: "traffic", application, from: oldTraffic, to: newTraffic });
  }
  const deployments = new Set([...Object.keys(from.deployments), ...Object.keys(to.deployments)]);
  for (const deployment of [...deployments].toSorted()) {
    changes.push(...optionChanges(application, deployment, from, to));
  }
  return changes;
}

function optionChanges(
  application: string,
  deployment: string,
  from: ApplicationDefinition,
  to: ApplicationDefinition,
): Change[] {
  const old = overridesOf(from, deployment);
  const wanted = overridesOf(to, deployment);
  return OPTION_NAMES.flatMap((option): Change[] => {
    const [was, is] = [toJson(old[option]), toJson(wanted[option])];
    if (was === is || (was !== undefined && is !== undefined && equalJson(was, is))) return [];
    return [
      {
        kind: "option",
        application,
        deployment,
        option,
        from: was,
        to: is,
        effect: OVERRIDE_EFFECTS[option],
      },
    ];
  });
}

function overridesOf({ deployments }: ApplicationDefinition, name: string): DeploymentOverrides {
  return Object.hasOwn(deployments, name) ? (deployments[name] ?? {}) : {};
}

const codeOf = ({ module, args, version }: ApplicationDefinition): Code => ({
  module,
  args,
  ...(version === undefined ? {} : { version }),
});

/** What the desired state holds is JSON, all of it; interfaces just have no index signature that says so. */
const toJson = <T extends object | Json | undefined>(value: T) =>
  value as T extends undefined ? undefined : Json;
