import pino from "pino";
import type { AdminOptions } from "../admin/admin-options.ts";
import type { NodeSettings } from "../config-file/node-settings.ts";
import type { RunnerEvent } from "../controller/slot.ts";
import type { ControllerEvent } from "../controller/version-port.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { keepHeapSmall } from "../executor/own-heap.ts";
import { type RunningNode, startNode } from "../runtime/node.ts";
import type { NodeSource } from "../runtime/node-source.ts";
import { EXIT, exitCodeOf } from "./exit-codes.ts";
import { say } from "./say.ts";
import { onParentGone } from "./tell-parent.ts";

export interface HeldNode {
  readonly settings: NodeSettings;
  readonly admin: AdminOptions | undefined;
  readonly logLevel: string;
  /** Called when the start may begin; what it throws ends the program as a failed start does. */
  readonly source: () => Promise<NodeSource> | NodeSource;
  /** It runs. */
  readonly onReady: (node: RunningNode, tookMs: number) => void;
  /** What becomes of versions and traffic. */
  readonly onVersionEvent: (event: ControllerEvent) => void;
}

/** Starts a node and holds it until it is stopped: by a signal, a second one of which does not wait, or over its admin API. */
export async function holdNode(held: HeldNode): Promise<void> {
  const startedAtMs = performance.now();
  const starting = new AbortController();
  const giveUp = (signal: NodeJS.Signals) => {
    say(`${signal}: the start is given up`);
    starting.abort();
  };
  process.on("SIGTERM", giveUp).on("SIGINT", giveUp);
  let stop: ((why: string) => Promise<void>) | undefined;
  onParentGone(() => {
    if (stop === undefined) starting.abort();
    else void stop("the program that started it is gone");
  });
  try {
    const { http, node: nodeOptions } = held.settings;
    const node = await startNode({
      source: await held.source(),
      log: pino({ level: held.logLevel }, pino.destination({ fd: 2, sync: false })),
      signal: starting.signal,
      http,
      node: nodeOptions,
      ...(held.admin === undefined ? {} : { admin: held.admin }),
      onEvent: (event) => {
        if ("slot" in event) tellSlot(event);
        else held.onVersionEvent(event);
      },
      onShutDownAsked: () => void stop?.("asked to shut down"),
      onOutput: (_, stream, line) => process[stream].write(`${line}\n`),
    });
    process.off("SIGTERM", giveUp).off("SIGINT", giveUp);
    stop = stopperOf(node);
    keepHeapSmall("edge");
    held.onReady(node, performance.now() - startedAtMs);
  } catch (thrown) {
    process.exitCode = EXIT.failed;
    // Its channel would keep this process.
    if (process.connected) process.disconnect();
    if (starting.signal.aborted) return;
    const error = TuttiError.from(thrown, "Internal");
    console.error(`tutti: ${error.message}`);
    if (error.code === "Internal") console.error(thrown);
    process.exitCode = exitCodeOf(error.code);
  }
}

function stopperOf(node: RunningNode): (why: string) => Promise<void> {
  let stopping = false;
  const stop = async (why: string) => {
    if (stopping) {
      await node.close();
      process.exit(EXIT.failed);
    }
    stopping = true;
    say(`${why}: finishing what was accepted …`);
    await node.drain();
    await node.close();
    say("stopped");
    process.exit(EXIT.ok);
  };
  process.on("SIGTERM", () => void stop("SIGTERM"));
  process.on("SIGINT", () => void stop("SIGINT"));
  return stop;
}

function tellSlot(event: RunnerEvent): void {
  if (event.type === "lost") say(`${event.slot}: executor ${event.executor} was lost: ${event.reason}`);
  else if (event.type === "unhealthy")
    say(`${event.slot}: executor ${event.executor} has replicas replaced: ${event.reason}`);
  else if (event.type === "retiring")
    say(`${event.slot}: executor ${event.executor} is being replaced: ${event.reason}`);
  else if (event.type === "fill-failed") {
    say(
      `${event.slot}: could not be started: ${event.reason}; next try in ${Math.round(event.retryInMs)} ms`,
    );
  }
}

/** Tells of a node whose state may change; where requests go, only when that is not where they went. */
export function versionTeller(): (event: ControllerEvent) => void {
  const lastTold = new Map<string, string>();
  return (event) => {
    if (event.type !== "traffic") return tellVersion(event);
    const { application } = event;
    const shares = event.shares.map(
      ({ version, weight }) => `${version} ${Math.round(weight * 1000) / 10} %`,
    );
    const told = `${application}: requests go to ${shares.join(", ") || "nobody"}`;
    if (lastTold.get(application) !== told) say(told);
    lastTold.set(application, told);
  };
}

function tellVersion(event: Exclude<ControllerEvent, { type: "traffic" }>): void {
  if (event.type === "version") {
    const { application, version, state, reason } = event;
    say(`${application} ${version}: ${state}${reason === "" ? "" : `: ${reason}`}`);
  } else if (event.type === "controller-failed") say(event.reason);
  else if (event.type === "controller-recovered") say(`that is over: ${event.reason}`);
}
