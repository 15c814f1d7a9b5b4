import type { NodeSettings } from "../config-file/node-settings.ts";
import type { JsonObject } from "../policy/desired-state.ts";

/**
 * What a file says of the node as a whole and the node was started without: it takes a restart, and is said, not done.
 *
 * @param running what the admin API tells of it.
 */
export function settingsToRestartFor(file: NodeSettings, running: JsonObject): string[] {
  const { http, admin, node } = file;
  const { tokenFile: _, ...address } = admin;
  return differences({ http, admin: address, node }, running, "");
}

function differences(wanted: object, running: unknown, at: string): string[] {
  return Object.entries(wanted).flatMap(([key, value]) => {
    const path = at === "" ? key : `${at}.${key}`;
    const there = valueAt(running, key);
    if (typeof value === "object" && value !== null) return differences(value, there, path);
    // A port that the node was to choose is the one it chose.
    if (value === there || (key === "port" && value === 0)) return [];
    return [`${path} is ${there === undefined ? "not set" : String(there)}, the file says ${String(value)}`];
  });
}

const valueAt = (at: unknown, key: string): unknown =>
  typeof at === "object" && at !== null ? (at as Readonly<Record<string, unknown>>)[key] : undefined;
