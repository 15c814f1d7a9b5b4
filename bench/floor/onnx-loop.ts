/**
 * One lane of the floor: the models of a version in a bare loop, no HTTP, no framework. Started by `OnnxFloor`, one for
 * each core.
 */
import { InferenceSession, Tensor } from "onnxruntime-node";
import { shuffledIndices } from "../measure/random.ts";
import { modelFiles } from "../reference/model-files.ts";
import { readPlayers } from "../reference/players-db.ts";
import type { FromLane, ToLane } from "./lane-messages.ts";

const [modelsDir, playersDb, seed] = process.argv.slice(2);
if (modelsDir === undefined || playersDb === undefined)
  throw new Error("usage: onnx-loop.ts <modelsDir> <playersDb>");

const players = readPlayers(playersDb);
const order = shuffledIndices(players.playerIds.length, Number(seed ?? 1));
const sessions: InferenceSession[] = [];
for (const file of modelFiles(modelsDir)) {
  sessions.push(await InferenceSession.create(file, { intraOpNumThreads: 1, interOpNumThreads: 1 }));
}
let cursor = 0;

/** The next players' rows, each used again only after all others. */
function nextRows(batch: number): Tensor {
  const data = new Float32Array(batch * players.width);
  for (let row = 0; row < batch; row += 1) {
    const start = (order[cursor] ?? 0) * players.width;
    data.set(players.features.subarray(start, start + players.width), row * players.width);
    cursor = (cursor + 1) % order.length;
  }
  return new Tensor("float32", data, [batch, players.width]);
}

async function loopFor(batch: number, durationMs: number): Promise<{ ensembles: number; seconds: number }> {
  const startedAt = performance.now();
  let ensembles = 0;
  while (performance.now() - startedAt < durationMs) {
    const rows = nextRows(batch);
    for (const session of sessions) await session.run({ features: rows });
    ensembles += batch;
  }
  return { ensembles, seconds: (performance.now() - startedAt) / 1000 };
}

function tell(message: FromLane): void {
  process.send?.(message);
}

process.on("message", async ({ batch, warmUpMs, durationMs }: ToLane) => {
  await loopFor(batch, warmUpMs);
  const cpuBefore = process.cpuUsage();
  const { ensembles, seconds } = await loopFor(batch, durationMs);
  const used = process.cpuUsage(cpuBefore);
  tell({ type: "done", ensembles, seconds, cpuSeconds: (used.user + used.system) / 1e6 });
});
process.on("disconnect", () => process.exit(0));
tell({ type: "loaded" });
