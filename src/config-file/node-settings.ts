import path from "node:path";
import type { NodeOptions } from "../config/node-options.ts";
import type { IngressOptions } from "../ingress/ingress-options.ts";
import type { WrittenSettings } from "./config-schema.ts";

export interface AdminSettings {
  readonly host?: string;
  readonly port?: number;
  /** Absolute. */
  readonly tokenFile?: string;
}

/** What a node is told once, when it starts: by the command line, the environment and its file. Nothing has a default here. */
export interface NodeSettings {
  readonly http: IngressOptions;
  readonly admin: AdminSettings;
  readonly node: NodeOptions;
  /** Absolute. */
  readonly stateDir?: string;
  /** Absolute. */
  readonly modulesDir?: string;
}

/** Paths made absolute, from the file's own directory. */
export function toSettings(written: WrittenSettings, directory: string): NodeSettings {
  const { http = {}, admin = {}, node = {}, stateDir, modulesDir } = written;
  const { tokenFile, ...address } = admin;
  return {
    http,
    admin: {
      ...address,
      ...(tokenFile === undefined ? {} : { tokenFile: path.resolve(directory, tokenFile) }),
    },
    node,
    ...(stateDir === undefined ? {} : { stateDir: path.resolve(directory, stateDir) }),
    ...(modulesDir === undefined ? {} : { modulesDir: path.resolve(directory, modulesDir) }),
  };
}

/**
 * Several sources as one, the first one that says something counts: command line, environment, file. What none of them
 * says is left to the defaults of each option.
 */
export function layerSettings(...sources: readonly NodeSettings[]): NodeSettings {
  const layered = sources.toReversed();
  const http = Object.assign({}, ...layered.map(({ http }) => http));
  const admissions = layered.map(({ http }) => http.admission ?? {});
  const admission = Object.assign({}, ...admissions);
  return {
    ...Object.assign({}, ...layered),
    http: Object.keys(admission).length === 0 ? http : { ...http, admission },
    admin: Object.assign({}, ...layered.map(({ admin }) => admin)),
    node: Object.assign({}, ...layered.map(({ node }) => node)),
  };
}
