import { createInterface } from "node:readline";
import { Router } from "../router/router.ts";
import { Peer } from "../wire/peer.ts";
import { DEFAULT_WIRE_LIMITS } from "../wire/protocol.ts";
import { connectUnix, listenUnix } from "../wire/socket-transport.ts";
import type { ExecutorBoot } from "./control-messages.ts";
import { ExecutorHost } from "./executor-host.ts";
import { ExecutorLinks } from "./executor-links.ts";
import { LocalLink } from "./local-link.ts";

/**
 * The main module of an executor's process. It lives as long as its node: when the connection to the node or its
 * standard input ends, so does it, whatever it is doing.
 */
const NODE_CONNECT_TIMEOUT_MS = 10_000;
const ORPHANED = 3;

async function main(): Promise<void> {
  const boot = await readBoot();
  process.title = `tutti ${boot.id}`;
  let router: Router | undefined;
  const links = new ExecutorLinks({ name: boot.id, token: boot.token, router: () => router! });
  const local = new LocalLink((target) => host.replicas.get(target));
  router = new Router({
    localExecutor: boot.id,
    connect: (executor) => {
      if (executor.id === boot.id) queueMicrotask(() => router!.laneOpened(boot.id, local));
      else links.connect(executor);
    },
    disconnect: (id) => links.disconnect(id),
  });
  const host = new ExecutorHost(router, { directory: boot.modelCacheDirectory });
  await listenUnix(boot.socketPath, DEFAULT_WIRE_LIMITS, (transport) => {
    new Peer(transport, { hello: { name: boot.id, token: "" }, expectedToken: boot.token, service: host });
  });
  const toNode = await connectUnix(boot.nodeSocket, DEFAULT_WIRE_LIMITS, NODE_CONNECT_TIMEOUT_MS);
  new Peer(toNode, {
    hello: { name: boot.id, token: boot.token },
    service: host.controlService(),
    onClose: () => process.exit(ORPHANED),
  });
}

/** The first line of standard input; its end later means that the node is gone. */
function readBoot(): Promise<ExecutorBoot> {
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: process.stdin });
    lines.once("line", (line) => {
      try {
        resolve(JSON.parse(line));
      } catch (thrown) {
        reject(thrown);
      }
    });
    process.stdin.once("end", () => process.exit(ORPHANED));
  });
}

// Ctrl-C reaches the whole process group; when an executor ends is for its node to say.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});

process.on("unhandledRejection", (reason) => {
  // A promise nobody waits for, in user code: said aloud, but no reason to drop every other caller's work.
  console.error("unhandled rejection:", reason);
});

main().catch((thrown) => {
  console.error(thrown);
  process.exit(1);
});
