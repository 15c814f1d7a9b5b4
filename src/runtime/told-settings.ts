import type { ResolvedAdminOptions } from "../admin/admin-options.ts";
import type { ResolvedNodeOptions } from "../config/node-options.ts";
import type { ResolvedIngressOptions } from "../ingress/ingress-options.ts";
import type { JsonObject } from "../policy/desired-state.ts";

/** What a node as a whole was started with, complete, as the admin API tells it: without its token. */
export function toldSettings(
  http: ResolvedIngressOptions,
  node: ResolvedNodeOptions,
  admin: ResolvedAdminOptions,
): JsonObject {
  const { token: _, ...address } = admin;
  // What is undefined has no place in JSON, and is left out.
  return JSON.parse(JSON.stringify({ http, admin: address, node }));
}
