import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { inlineTransports } from "../../src/wire/inline-transport.ts";
import type { CallOutcome } from "../../src/wire/messages.ts";
import { Peer } from "../../src/wire/peer.ts";
import { DEFAULT_WIRE_LIMITS } from "../../src/wire/protocol.ts";
import { SocketTransport } from "../../src/wire/socket-transport.ts";
import { Tensor } from "../../src/wire/tensor.ts";
import type { HopSubject, RunningHop } from "./hop-subject.ts";
import { noopService } from "./noop-service.ts";

/** Calls through the runtime's wire: encoded, framed, decoded, ended by id; no router, no queue, no model. */

const LANE = fileURLToPath(new URL("./noop-lane.ts", import.meta.url));
const FAN_OUT = 15;
const PREPARED_BYTES = 16 * 1024 * 1024;

/** Both ends in this process. */
export const inlineHop: HopSubject = {
  name: "inline",
  async start() {
    const [near, far] = inlineTransports();
    new Peer(far, { hello: { name: "far", token: "" }, service: noopService });
    const peer = new Peer(near, { hello: { name: "near", token: "" } });
    await peer.opened;
    return hop([peer], 1, () => peer.close());
  },
};

/** To another process and back. */
export const processesHop: HopSubject = {
  name: "processes",
  async start() {
    const lane = await startLane();
    return hop([lane.peer], 1, lane.end);
  },
};

/** 15 calls with one shared argument over two lanes, which end when the last has. */
export const fanOutHop: HopSubject = {
  name: `fan-out-${FAN_OUT}`,
  async start() {
    const lanes = [await startLane(), await startLane()];
    return hop(
      lanes.map(({ peer }) => peer),
      FAN_OUT,
      () => {
        for (const lane of lanes) lane.end();
      },
    );
  },
};

export async function startLane(): Promise<{ peer: Peer; end: () => void }> {
  const directory = mkdtempSync(`${tmpdir()}/bench-`);
  const child = fork(LANE, [`${directory}/lane`], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const end = (): void => {
    child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await new Promise<void>((resolve, reject) => {
      child.once("message", () => resolve());
      child.once("exit", () => reject(new Error("wire-hops: the lane's process ended")));
    });
    const transport = new SocketTransport(connect(`${directory}/lane`), DEFAULT_WIRE_LIMITS);
    const peer = new Peer(transport, { hello: { name: "near", token: "" } });
    await peer.opened;
    return { peer, end };
  } catch (error) {
    end();
    throw error;
  }
}

/** Arguments of their own for calls under way at once: one that is shared by calls of a tick is encoded only once. */
export function preparedArguments(): (bytes: number) => readonly unknown[] {
  const payloads = new Map<number, (readonly unknown[])[]>();
  let calls = 0;
  return (bytes) => {
    let prepared = payloads.get(bytes);
    if (prepared === undefined) {
      const count = Math.max(4, Math.min(128, Math.floor(PREPARED_BYTES / Math.max(1, bytes))));
      prepared = Array.from({ length: count }, () =>
        bytes === 0 ? [] : [new Tensor("uint8", new Uint8Array(bytes).fill(1), [bytes])],
      );
      payloads.set(bytes, prepared);
    }
    calls += 1;
    return prepared[calls % prepared.length] ?? [];
  };
}

/** @param width calls that are dealt out over the peers in turn and counted as one. */
function hop(peers: readonly Peer[], width: number, end: () => void): RunningHop {
  const nextArgs = preparedArguments();
  return {
    call(payloadBytes) {
      const request = {
        method: "noop",
        args: nextArgs(payloadBytes),
        requestId: "hop",
        deadlineAtMs: Number.POSITIVE_INFINITY,
        priority: 0,
        lean: false,
        idempotent: true,
      };
      return new Promise((resolve, reject) => {
        let open = width;
        const ended = (outcome: CallOutcome): void => {
          open -= 1;
          if (!outcome.ok) reject(outcome.error);
          else if (open === 0) resolve();
        };
        peers.forEach((peer, lane) => {
          const targets = Array.from({ length: width }, (_, n) => n).filter((n) => n % peers.length === lane);
          if (width === 1) peer.call({ ...request, target: 0, onEnd: ended });
          else {
            const onPart = (_part: number, outcome: CallOutcome): void => ended(outcome);
            peer.callMany({ ...request, targets, onPart, onRows: () => ended({ ok: true, value: null }) });
          }
        });
      });
    },
    async [Symbol.asyncDispose]() {
      end();
    },
  };
}
