import { ensemble } from "../../src/api/ensemble.ts";
import type { Handle } from "../../src/api/handle.ts";
import { createHandle } from "../../src/api/handle-proxy.ts";
import { Router } from "../../src/router/router.ts";
import type { Peer } from "../../src/wire/peer.ts";
import type { HopSubject } from "./hop-subject.ts";
import { preparedArguments, startLane } from "./wire-hops.ts";

/** Calls as user code makes them: a typed handle, the router's choice, the wire, another process, and back. */

const FAN_OUT = 15;

interface Noop {
  noop(...args: unknown[]): Promise<null>;
}

/** One call through a handle to another process. */
export const handleHop: HopSubject = {
  name: "handle",
  async start() {
    const { handles, end } = await startHandles(1, 1);
    const nextArgs = preparedArguments();
    return {
      call: async (bytes) => {
        await handles[0]!.noop(...nextArgs(bytes));
      },
      [Symbol.asyncDispose]: async () => end(),
    };
  },
};

/** An ensemble of 15 members over two lanes, which resolves when the last has answered. */
export const ensembleHop: HopSubject = {
  name: `ensemble-${FAN_OUT}`,
  async start() {
    const { handles, end } = await startHandles(FAN_OUT, 2);
    const nextArgs = preparedArguments();
    const members = ensemble(handles, { select: () => 1, combine: (answers) => answers.length });
    return {
      call: async (bytes) => {
        const { value } = await members.noop(...nextArgs(bytes));
        if (value !== FAN_OUT) throw new Error(`handle-hops: ${value} of ${FAN_OUT} members answered`);
      },
      [Symbol.asyncDispose]: async () => end(),
    };
  },
};

async function startHandles(
  count: number,
  laneCount: number,
): Promise<{ handles: Handle<Noop>[]; end: () => void }> {
  const lanes = await Promise.all(Array.from({ length: laneCount }, startLane));
  const peers = new Map<string, Peer>(lanes.map(({ peer }, index) => [`lane${index}`, peer]));
  const router: Router = new Router({
    connect: ({ id }) => queueMicrotask(() => router.laneOpened(id, peers.get(id)!)),
    disconnect: () => {},
  });
  router.apply({
    version: 1,
    executors: [...peers.keys()].map((id) => ({ id, socketPath: "" })),
    deployments: Array.from({ length: count }, (_, n) => ({
      name: `noop${n}`,
      idempotent: true,
      waits: false,
      maxOngoing: 100_000,
      replicas: [{ target: n + 1, executor: `lane${n % laneCount}` }],
    })),
  });
  const end = (): void => {
    router.close();
    for (const lane of lanes) lane.end();
  };
  const handles = Array.from({ length: count }, (_, n) =>
    createHandle<Noop>({ deployment: `noop${n}`, port: router, options: {} }),
  );
  return { handles, end };
}
