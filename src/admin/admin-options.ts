import { isIP } from "node:net";
import { checkKeys, describe, wholeNumber } from "../config/check-options.ts";
import { TuttiError } from "../errors/tutti-error.ts";

/** Where the admin API listens, and what it demands. */
export interface AdminOptions {
  /** Default `127.0.0.1`. Anywhere else a token is needed. */
  readonly host?: string;
  /** Default 8002; 0 picks a free one. */
  readonly port?: number;
  /** Demanded as `authorization: Bearer <token>` when given. At least 16 characters. */
  readonly token?: string;
}

export interface ResolvedAdminOptions {
  readonly host: string;
  readonly port: number;
  readonly token: string | undefined;
}

const MIN_TOKEN_CHARS = 16;

/** @throws TuttiError `InvalidOptions`, naming the option, what was expected and what was found. */
export function resolveAdminOptions(options: AdminOptions = {}): ResolvedAdminOptions {
  checkKeys("admin", options, ["host", "port", "token"]);
  const { host = "127.0.0.1", token } = options;
  const port = wholeNumber("admin: port", options.port, { default: 8002, min: 0, max: 65_535 });
  if (typeof host !== "string" || host.trim() === "") {
    throw invalid("host", `expected an address or host name, got ${describe(host)}`);
  }
  // The token itself is a secret: not even a wrong one is shown.
  if (token !== undefined && (typeof token !== "string" || token.length < MIN_TOKEN_CHARS)) {
    throw invalid("token", `expected a text of at least ${MIN_TOKEN_CHARS} characters`);
  }
  if (token === undefined && !isLoopback(host)) {
    const message = `expected a token, since it is to listen on ${host} and not on this machine alone: set TUTTI_ADMIN_TOKEN`;
    throw invalid("token", message);
  }
  return Object.freeze({ host, port, token });
}

/** Whether only programs of this machine can reach the address. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  if (bare === "localhost" || bare === "::1") return true;
  return isIP(bare) === 4 && bare.startsWith("127.");
}

const invalid = (name: string, what: string): TuttiError =>
  new TuttiError("InvalidOptions", `admin: ${name}: ${what}`, { path: `admin.${name}` });
