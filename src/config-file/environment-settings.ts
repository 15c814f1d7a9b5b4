import path from "node:path";
import { type SettingsEnvironment, settingsEnvironment } from "../config/environment.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { NodeSettings } from "./node-settings.ts";

/**
 * What the environment says of a node. Relative paths begin at the current directory.
 *
 * @throws TuttiError `InvalidOptions`, naming the variable.
 */
export function environmentSettings(environment: SettingsEnvironment = settingsEnvironment()): NodeSettings {
  const { TUTTI_HOST, TUTTI_ADMIN_HOST, TUTTI_STATE_DIR, TUTTI_MODULES_DIR } = environment;
  return {
    http: { ...(TUTTI_HOST === undefined ? {} : { host: TUTTI_HOST }), ...port(environment, "TUTTI_PORT") },
    admin: {
      ...(TUTTI_ADMIN_HOST === undefined ? {} : { host: TUTTI_ADMIN_HOST }),
      ...port(environment, "TUTTI_ADMIN_PORT"),
    },
    node: {},
    ...(TUTTI_STATE_DIR === undefined ? {} : { stateDir: path.resolve(TUTTI_STATE_DIR) }),
    ...(TUTTI_MODULES_DIR === undefined ? {} : { modulesDir: path.resolve(TUTTI_MODULES_DIR) }),
  };
}

function port(environment: SettingsEnvironment, name: "TUTTI_PORT" | "TUTTI_ADMIN_PORT"): { port?: number } {
  const text = environment[name];
  if (text === undefined) return {};
  const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (value <= 65_535) return { port: value };
  throw new TuttiError(
    "InvalidOptions",
    `${name}: expected a port from 0 to 65535, found ${JSON.stringify(text.slice(0, 80))}`,
  );
}
