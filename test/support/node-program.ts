import path from "node:path";
import { startNode } from "../../dist/runtime/node.js";

/**
 * A node with options that the command line does not have (yet): `node-program.ts <module> <NodeOptions as JSON>`.
 * Says what `tutti run` says, so that `TuttiProcess` can read it.
 */
const [module = "", options = "{}"] = process.argv.slice(2);
const say = (text: string) => process.stderr.write(`tutti: ${text}\n`);
const log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: (_: object, text?: string) => say(`${text}`),
};

try {
  const node = await startNode({
    source: { kind: "module", path: path.resolve(module) },
    http: { port: 0 },
    node: JSON.parse(options),
    log,
    onEvent: (event) => {
      if (event.type === "lost") say(`${event.slot}: executor ${event.executor} was lost: ${event.reason}`);
      if (event.type === "retiring")
        say(`${event.slot}: executor ${event.executor} is being replaced: ${event.reason}`);
    },
    onOutput: (_, stream, line) => process[stream].write(`${line}\n`),
  });
  say(
    `${node.applications()[0]?.name} is ready: as asked, at http://${node.address.host}:${node.address.port}/`,
  );
  process.on("SIGTERM", async () => {
    await node.drain();
    await node.close();
    process.exit(0);
  });
} catch (thrown) {
  say(thrown instanceof Error ? thrown.message : String(thrown));
  process.exit(1);
}
