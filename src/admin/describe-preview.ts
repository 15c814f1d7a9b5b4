import type { ApplicationDefinition, Json, Traffic } from "../policy/desired-state.ts";
import type { Change } from "../policy/preview.ts";
import type { Paint } from "./describe-table.ts";

const PLAIN: Paint = (_, text) => text;

/** What will change, as text for terminals: `+` what is new, `-` what goes, `~` what becomes something else. */
export function describePreview(changes: readonly Change[], paint: Paint = PLAIN): string {
  if (changes.length === 0) return "nothing changes\n";
  const lines: string[] = [];
  let application = "";
  for (const change of changes) {
    if (change.kind === "added") lines.push(...added(change.definition, paint));
    else if (change.kind === "removed") {
      lines.push(
        `${paint("bad", "-")} ${paint("heading", change.application)}  removed: it drains, then ends`,
      );
    } else {
      if (change.application !== application) {
        lines.push(`${paint("changing", "~")} ${paint("heading", change.application)}`);
      }
      lines.push(`    ${changed(change)}`);
    }
    application = change.application;
  }
  return `${lines.map(oneLine).join("\n")}\n`;
}

function added(definition: ApplicationDefinition, paint: Paint): string[] {
  const { name, module, version, route, args, deployments } = definition;
  const lines = [`${paint("good", "+")} ${paint("heading", name)}  new`, `    module ${module}`];
  if (version !== undefined) lines.push(`    version ${version}`);
  if (route !== undefined) lines.push(`    route ${route}`);
  if (Object.keys(args).length > 0) lines.push(`    args ${shown(args)}`);
  for (const [deployment, options] of Object.entries(deployments)) {
    for (const [option, value] of Object.entries(options)) {
      lines.push(`    ${deployment}: ${option} ${shown(value)}`);
    }
  }
  return lines;
}

function changed(change: Exclude<Change, { readonly kind: "added" | "removed" }>): string {
  switch (change.kind) {
    case "version": {
      const { from, to } = change;
      const parts = [`version ${from.version ?? "of the module"} → ${to.version ?? "of the module"}`];
      if (from.module !== to.module) parts.push(`module ${from.module} → ${to.module}`);
      if (shown(from.args) !== shown(to.args)) parts.push(`args ${shown(from.args)} → ${shown(to.args)}`);
      return `${parts.join(", ")} (a rollout)`;
    }
    case "route":
      return `route ${fromTo(change.from, change.to, "the module's own")}`;
    case "traffic":
      return `traffic of the next rollout: ${trafficText(change.from)} → ${trafficText(change.to)}`;
    case "option": {
      const { deployment, option, from, to, effect } = change;
      const how = effect === "restart" ? "its replicas are made anew" : "in place";
      return `${deployment}: ${option} ${fromTo(from, to, "not set")} (${how})`;
    }
    case "retried":
      return `it was rolled back (${change.reason}), and is tried again`;
  }
}

const fromTo = (from: Json | undefined, to: Json | undefined, absent: string): string =>
  `${from === undefined ? absent : shown(from)} → ${to === undefined ? absent : shown(to)}`;

function trafficText(value: Json | undefined): string {
  // A traffic change holds two of them.
  const { steps, gates } = value as unknown as Traffic;
  const shares = steps.map(({ weight, durationMs }) => `${weight * 100} % for ${durationMs / 1000} s`);
  const how = shares.length === 0 ? "all within three seconds" : shares.join(", ");
  return shares.length === 0 ? how : `${how}, gates ${shown({ ...gates })}`;
}

const MAX_VALUE_CHARS = 200;

function shown(value: object | Json): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > MAX_VALUE_CHARS ? `${text.slice(0, MAX_VALUE_CHARS)}…` : text;
}

/** What people write may hold anything, and terminals obey what they are sent; colours are ours and stay. */
const oneLine = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is they that are to go
  text.replaceAll(/[\u0000-\u001a\u001c-\u001f\u007f-\u009f\u2028\u2029]+|\u001b(?!\[\d+m)/g, " ");
