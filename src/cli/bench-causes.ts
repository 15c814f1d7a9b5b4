import { isObject, type NodeAddress, sendToNode } from "./node-client.ts";

const KINDS = ["slow", "degraded", "failed"] as const;
const ASKED = 200;
/** Enough to see what they have in common; of the slowest, few enough to be slow. */
const MOST = 20;

/** What most of the requests of one kind were kept waiting by, or lacked. */
export interface MainCause {
  readonly kind: (typeof KINDS)[number];
  readonly cause: string;
  readonly requests: number;
  /** How many the flight recorder has of that kind, and of that time. */
  readonly of: number;
  /** Of the warm-up where it has none of the window: what is first is often slowest. */
  readonly during: "window" | "warm-up";
  /** One of them, as the flight recorder tells it. */
  readonly line: string;
}

export interface LoadTimes {
  readonly startedAtEpochMs: number;
  readonly windowAtEpochMs: number;
}

/**
 * What a node's flight recorder names as main causes of what a load has met.
 *
 * @throws UnreachableError. Empty where the answer is not that of a node.
 */
export async function askCauses(
  address: NodeAddress,
  { startedAtEpochMs, windowAtEpochMs }: LoadTimes,
): Promise<readonly MainCause[]> {
  const found: MainCause[] = [];
  for (const kind of KINDS) {
    const { json } = await sendToNode(`/api/requests?${kind}&format=json&limit=${ASKED}`, address);
    const requests = isObject(json) && Array.isArray(json["requests"]) ? json["requests"] : [];
    const mainSince = (sinceEpochMs: number) =>
      mainOf(requests.flatMap((request) => toRecorded(request, sinceEpochMs)).slice(0, MOST));
    const ofWindow = mainSince(windowAtEpochMs);
    const main = ofWindow ?? mainSince(startedAtEpochMs);
    if (main !== undefined)
      found.push({ kind, ...main, during: ofWindow === undefined ? "warm-up" : "window" });
  }
  return found;
}

/** Whether it is the node that is measured: the one that listens on this port. */
export async function listensOn(address: NodeAddress, port: number): Promise<boolean> {
  const { json } = await sendToNode("/api/applications", address);
  const settings = isObject(json) ? json["settings"] : undefined;
  const http = isObject(settings) ? settings["http"] : undefined;
  return isObject(http) && http["port"] === port;
}

interface Recorded {
  readonly cause: string;
  readonly line: string;
}

function toRecorded(request: unknown, sinceEpochMs: number): Recorded[] {
  if (!isObject(request)) return [];
  const { line, startedAt, cause } = request;
  if (typeof line !== "string" || typeof startedAt !== "string" || Date.parse(startedAt) < sinceEpochMs)
    return [];
  return [{ cause: nameOf(cause) ?? "not known", line }];
}

function nameOf(cause: unknown): string | undefined {
  if (!isObject(cause) || typeof cause["name"] !== "string") return undefined;
  const { name, kind, status, stage } = cause;
  if (kind === "missing") return `${name} ${status}`;
  return isObject(stage) ? `${name} ${stage["kind"]}` : `${name}`;
}

function mainOf(recorded: readonly Recorded[]): Omit<MainCause, "kind" | "during"> | undefined {
  const counts = new Map<string, number>();
  for (const { cause } of recorded) counts.set(cause, (counts.get(cause) ?? 0) + 1);
  const [main] = [...counts].sort(([, a], [, b]) => b - a);
  const example = recorded.find(({ cause }) => cause === main?.[0]);
  if (main === undefined || example === undefined) return undefined;
  return { cause: main[0], requests: main[1], of: recorded.length, line: example.line };
}
