import { createInterface } from "node:readline";
import { DEFAULT_WIRE_LIMITS } from "../wire/protocol.ts";
import { connectUnix, listenUnix } from "../wire/socket-transport.ts";
import { assembleExecutor } from "./assemble-executor.ts";
import type { ExecutorBoot } from "./control-messages.ts";
import { loadApplication } from "./load-application.ts";
import { OnnxModelLoader } from "./model-loader.ts";
import { OwnCode } from "./own-code.ts";
import { ownProcess } from "./own-process.ts";

/**
 * The main module of an executor's process. It lives as long as its node: when the connection to the node or its
 * standard input ends, so does it. While its thread is blocked it sees neither: then the node's reaper ends it.
 */
const NODE_CONNECT_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 2000;
const ORPHANED = 3;

async function main(): Promise<void> {
  const boot = await readBoot();
  process.title = `tutti ${boot.id}`;
  const code = new OwnCode();
  const executor = assembleExecutor({
    id: boot.id,
    token: boot.token,
    dial: ({ socketPath }) => connectUnix(socketPath, DEFAULT_WIRE_LIMITS, CONNECT_TIMEOUT_MS),
    models: new OnnxModelLoader({ directory: boot.modelCacheDirectory }),
    importApplication: (module, args, copy) => {
      const load = () => loadApplication(module, args);
      return copy === undefined ? load() : code.importAs(copy, load);
    },
    importedFiles: () => code.list(),
    ownProcess: ownProcess(boot.laneNiceness, boot.nodeNiceness),
  });
  await listenUnix(boot.socketPath, DEFAULT_WIRE_LIMITS, (transport) => executor.accept(transport));
  const toNode = await connectUnix(boot.nodeSocket, DEFAULT_WIRE_LIMITS, NODE_CONNECT_TIMEOUT_MS);
  executor.join(toNode, () => process.exit(ORPHANED));
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
