import { isIP } from "node:net";
import { checkKeys, describe, wholeNumber } from "../config/check-options.ts";
import { TuttiError } from "../errors/tutti-error.ts";

/** Where the admin API listens, and what it demands. */
export interface AdminOptions {
  /** Default `127.0.0.1`. Anywhere else a token is needed. */
  readonly host?: string;
  /** Default 8002; 0 picks a free one. */
  readonly port?: number;
  /** Demanded as `authorization: Bearer <token>` when given. 16 to 4,096 visible ASCII characters, no spaces. */
  readonly token?: string;
}

export interface ResolvedAdminOptions {
  readonly host: string;
  readonly port: number;
  readonly token: string | undefined;
}

const MIN_TOKEN_CHARS = 16;
/** It must fit into a request's headers. */
const MAX_TOKEN_CHARS = 4096;

/** @throws TuttiError `InvalidOptions`, naming the option, what was expected and what was found. */
export function resolveAdminOptions(options: AdminOptions = {}): ResolvedAdminOptions {
  checkKeys("admin", options, ["host", "port", "token"]);
  const { host = "127.0.0.1", token } = options;
  const port = wholeNumber("admin: port", options.port, { default: 8002, min: 0, max: 65_535 });
  if (typeof host !== "string" || host.trim() === "") {
    throw invalid("host", `expected an address or host name, got ${describe(host)}`);
  }
  // The token itself is a secret: not even a wrong one is shown.
  if (token !== undefined && !isToken(token)) {
    const message = `expected a text of at least ${MIN_TOKEN_CHARS} and at most ${MAX_TOKEN_CHARS} visible ASCII characters, without spaces`;
    throw invalid("token", message);
  }
  if (token === undefined && !isLoopback(host)) {
    const message = `expected a token, since it is to listen on ${host} and not on this machine alone: set TUTTI_ADMIN_TOKEN or --admin-token-file`;
    throw invalid("token", message);
  }
  return Object.freeze({ host, port, token });
}

/** What a header can carry as it is: any other token would be refused whoever sends it. */
const isToken = (token: unknown): boolean =>
  typeof token === "string" &&
  token.length >= MIN_TOKEN_CHARS &&
  token.length <= MAX_TOKEN_CHARS &&
  /^[\x21-\x7e]+$/.test(token);

/** Whether only programs of this machine can reach the address. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  if (bare === "localhost" || bare === "::1") return true;
  return isIP(bare) === 4 && bare.startsWith("127.");
}

const invalid = (name: string, what: string): TuttiError =>
  new TuttiError("InvalidOptions", `admin: ${name}: ${what}`, { path: `admin.${name}` });
