import { type Clock, systemClock } from "../clock/clock.ts";
import { Router } from "../router/router.ts";
import type { ExecutorAddress } from "../router/snapshot.ts";
import { Peer } from "../wire/peer.ts";
import type { Transport } from "../wire/transport.ts";
import { ExecutorHost, type ExecutorHostOptions } from "./executor-host.ts";
import { ExecutorLinks } from "./executor-links.ts";
import { LocalLink } from "./local-link.ts";

export interface ExecutorParts
  extends Pick<
    ExecutorHostOptions,
    "models" | "importApplication" | "importedFiles" | "ownProcess" | "wrapReplica" | "rssMb" | "random"
  > {
  readonly id: string;
  /** Shown to whom it dials, and demanded of who dials it. */
  readonly token: string;
  readonly dial: (executor: ExecutorAddress) => Promise<Transport>;
  /** Default the system's. */
  readonly clock?: Clock;
}

/** An executor, wired: what runs in its process. */
export interface AssembledExecutor {
  readonly host: ExecutorHost;
  readonly router: Router;
  /** Takes a connection of another executor. */
  accept(transport: Transport): void;
  /** Greets the node over a connection to it. @param onClose without its node it is of no use. */
  join(transport: Transport, onClose: () => void): void;
}

export function assembleExecutor(parts: ExecutorParts): AssembledExecutor {
  const { id, token, dial, clock = systemClock } = parts;
  const links = new ExecutorLinks({ name: id, token, dial, router: () => router });
  const router: Router = new Router({
    localExecutor: id,
    clock,
    ...(parts.random === undefined ? {} : { random: parts.random }),
    connect: (executor) => {
      if (executor.id === id) queueMicrotask(() => router.laneOpened(id, local));
      else links.connect(executor);
    },
    disconnect: (executorId) => links.disconnect(executorId),
  });
  const host = new ExecutorHost({ ...parts, router });
  const local = new LocalLink((target) => host.replicas.get(target), clock, router.counters);
  return {
    host,
    router,
    accept: (transport) => {
      new Peer(transport, { hello: { name: id, token: "" }, expectedToken: token, service: host, clock });
    },
    join: (transport, onClose) => {
      new Peer(transport, { hello: { name: id, token }, service: host.controlService(), onClose, clock });
    },
  };
}
