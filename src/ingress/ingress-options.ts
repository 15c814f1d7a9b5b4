import { TuttiError } from "../errors/tutti-error.ts";
import {
  type AdmissionOptions,
  type ResolvedAdmissionOptions,
  resolveAdmissionOptions,
} from "./admission-options.ts";

/** All limits of the edge. Unknown keys fail; defaults are in `resolveIngressOptions`. */
export interface IngressOptions {
  /** Address to listen on. Default `127.0.0.1`: reaching further must be asked for, e.g. `0.0.0.0`. */
  readonly host?: string;
  /** Default 8000; 0 picks a free port. */
  readonly port?: number;
  /** Largest request body, declared or chunked (413). Default 1 MiB. */
  readonly maxBodyBytes?: number;
  /** Deepest nesting of JSON arrays and objects (400). Default 32. */
  readonly maxJsonDepth?: number;
  /** Request line and headers together (431). Default 16 KiB. */
  readonly maxHeaderBytes?: number;
  /** Path and query (414). Default 8 KiB. */
  readonly maxUrlBytes?: number;
  /** From the first byte of a connection or request to the end of its headers (408). Default 10 s. */
  readonly headersTimeoutMs?: number;
  /** From the end of the headers to the end of the body (408). Default 30 s. */
  readonly bodyTimeoutMs?: number;
  /** How long an idle connection is kept. Default 72 s: longer than the usual 60 s of load balancers. */
  readonly keepAliveTimeoutMs?: number;
  /** How long a client may leave an answer unread before its connection is closed. Default 30 s. */
  readonly writeTimeoutMs?: number;
  /** A stream of server-sent events that is silent for so long gets a comment, for the proxies on its way. 0: none. Default 15 s. */
  readonly streamHeartbeatMs?: number;
  /** Open connections; further ones get a 503 and are closed. Default 10,000. */
  readonly maxConnections?: number;
  /** How long `drain` waits on idle keep-alive connections for requests already on their way. Default 250 ms. */
  readonly drainGraceMs?: number;
  /** Level of one log line per request; it costs several microseconds each. Default `off`. */
  readonly accessLog?: AccessLogLevel;
  /** How many requests are let in, and which not. */
  readonly admission?: AdmissionOptions;
}

export type AccessLogLevel = "off" | "debug" | "info";
export type ResolvedIngressOptions = Readonly<
  Required<Omit<IngressOptions, "admission">> & { readonly admission: Readonly<ResolvedAdmissionOptions> }
>;

interface IntegerRule {
  readonly fallback: number;
  readonly min: number;
  readonly max: number;
}

// Node's timers hold 31 bits; a larger value would fire at once.
const LONGEST_MS = 2 ** 31 - 1;
const LARGEST_BYTES = 2 ** 30;

/** Defaults, and what numbers may be, here and in a config file. */
export const INGRESS_INTEGERS = {
  port: { fallback: 8000, min: 0, max: 65_535 },
  maxBodyBytes: { fallback: 1024 * 1024, min: 1, max: LARGEST_BYTES },
  maxJsonDepth: { fallback: 32, min: 1, max: 1000 },
  maxHeaderBytes: { fallback: 16 * 1024, min: 256, max: LARGEST_BYTES },
  maxUrlBytes: { fallback: 8 * 1024, min: 16, max: LARGEST_BYTES },
  headersTimeoutMs: { fallback: 10_000, min: 10, max: Math.floor(LONGEST_MS / 2) },
  bodyTimeoutMs: { fallback: 30_000, min: 10, max: Math.floor(LONGEST_MS / 2) },
  keepAliveTimeoutMs: { fallback: 72_000, min: 10, max: LONGEST_MS - 1000 },
  writeTimeoutMs: { fallback: 30_000, min: 10, max: LONGEST_MS },
  streamHeartbeatMs: { fallback: 15_000, min: 0, max: LONGEST_MS },
  maxConnections: { fallback: 10_000, min: 1, max: 1_000_000 },
  drainGraceMs: { fallback: 250, min: 0, max: LONGEST_MS },
} as const satisfies Record<string, IntegerRule>;

export const ACCESS_LOG_LEVELS = ["off", "debug", "info"] as const satisfies readonly AccessLogLevel[];
const KNOWN: readonly string[] = ["host", "accessLog", "admission", ...Object.keys(INGRESS_INTEGERS)];

/** @throws TuttiError `InvalidOptions`, naming the option, what was expected and what came. */
export function resolveIngressOptions(options: IngressOptions = {}): ResolvedIngressOptions {
  for (const key of Object.keys(options)) {
    if (!KNOWN.includes(key)) fail(key, `one of ${KNOWN.join(", ")}`, "an unknown option");
  }
  const { host = "127.0.0.1", accessLog = "off" } = options;
  if (typeof host !== "string" || host.trim() === "") fail("host", "an address or host name", host);
  if (!ACCESS_LOG_LEVELS.includes(accessLog)) fail("accessLog", ACCESS_LOG_LEVELS.join(" | "), accessLog);
  const integer = (name: keyof typeof INGRESS_INTEGERS) =>
    checkInteger(name, options[name], INGRESS_INTEGERS[name]);
  return Object.freeze({
    host,
    accessLog,
    admission: resolveAdmissionOptions(options.admission),
    port: integer("port"),
    maxBodyBytes: integer("maxBodyBytes"),
    maxJsonDepth: integer("maxJsonDepth"),
    maxHeaderBytes: integer("maxHeaderBytes"),
    maxUrlBytes: integer("maxUrlBytes"),
    headersTimeoutMs: integer("headersTimeoutMs"),
    bodyTimeoutMs: integer("bodyTimeoutMs"),
    keepAliveTimeoutMs: integer("keepAliveTimeoutMs"),
    writeTimeoutMs: integer("writeTimeoutMs"),
    streamHeartbeatMs: integer("streamHeartbeatMs"),
    maxConnections: integer("maxConnections"),
    drainGraceMs: integer("drainGraceMs"),
  });
}

function checkInteger(name: string, value: unknown, rule: IntegerRule): number {
  if (value === undefined) return rule.fallback;
  if (typeof value !== "number" || !Number.isInteger(value) || value < rule.min || value > rule.max) {
    fail(name, `a whole number from ${rule.min} to ${Math.floor(rule.max)}`, value);
  }
  return value;
}

function fail(name: string, expected: string, came: unknown): never {
  throw new TuttiError("InvalidOptions", `http.${name}: expected ${expected}, got ${String(came)}`, {
    path: `http.${name}`,
  });
}
