import path from "node:path";
import { systemClock } from "../dist/clock/clock.js";
import { startNode } from "../dist/runtime/node.js";

/**
 * A node by a clock that jumps: ten seconds on with SIGUSR2, back with SIGHUP (SIGUSR1 is Node's own). `jumping-node.ts <module>` says what
 * `tutti run` says.
 */
const JUMP_MS = 10_000;
let offsetMs = 0;
process.on("SIGUSR2", () => {
  offsetMs += JUMP_MS;
});
process.on("SIGHUP", () => {
  offsetMs -= JUMP_MS;
});

const say = (text: string) => process.stderr.write(`tutti: ${text}\n`);
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

const node = await startNode({
  source: { kind: "module", path: path.resolve(process.argv[2] ?? "") },
  http: { port: 0 },
  node: { lanes: 2 },
  log,
  clock: { ...systemClock, now: () => systemClock.now() + offsetMs },
  onEvent: (event) => {
    if (event.type === "lost") say(`${event.slot}: executor ${event.executor} was lost: ${event.reason}`);
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
