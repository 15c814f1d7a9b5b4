import { type ChildProcess, fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import type { FromLane, ToLane } from "./lane-messages.ts";

const LANE = fileURLToPath(new URL("./onnx-loop.ts", import.meta.url));
const BOUND_MS = 60_000;

export interface FloorBatch {
  readonly batch: number;
  /** All models on one row is one ensemble. */
  readonly ensemblesPerSecond: number;
  readonly cpuSecondsPer1k: number;
}

/** What the machine gives when nothing but ONNX Runtime runs: one process for each core, at each batch size. */
export async function measureOnnxFloor(options: {
  readonly modelsDir: string;
  readonly playersDb: string;
  readonly batches: readonly number[];
  readonly warmUpMs: number;
  readonly durationMs: number;
}): Promise<FloorBatch[]> {
  const lanes = Array.from({ length: availableParallelism() }, (_, lane) =>
    fork(LANE, [options.modelsDir, options.playersDb, String(lane + 1)], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    }),
  );
  try {
    await Promise.all(lanes.map((lane) => answer(lane)));
    const results: FloorBatch[] = [];
    for (const batch of options.batches) {
      const { warmUpMs, durationMs } = options;
      const parts = await Promise.all(lanes.map((lane) => answer(lane, { batch, warmUpMs, durationMs })));
      results.push(summary(batch, parts));
    }
    return results;
  } finally {
    for (const lane of lanes) lane.kill("SIGKILL");
  }
}

function summary(batch: number, parts: readonly FromLane[]): FloorBatch {
  let perSecond = 0;
  let ensembles = 0;
  let cpuSeconds = 0;
  for (const part of parts) {
    if (part.type !== "done") continue;
    perSecond += part.ensembles / part.seconds;
    ensembles += part.ensembles;
    cpuSeconds += part.cpuSeconds;
  }
  return { batch, ensemblesPerSecond: perSecond, cpuSecondsPer1k: (cpuSeconds / ensembles) * 1000 };
}

function answer(lane: ChildProcess, question?: ToLane): Promise<FromLane> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void): void => {
      clearTimeout(timer);
      lane.off("message", onMessage);
      lane.off("exit", onExit);
      outcome();
    };
    const onMessage = (message: FromLane): void => settle(() => resolve(message));
    const onExit = (): void => settle(() => reject(new Error("floor: a lane's process ended")));
    const timer = setTimeout(
      () => settle(() => reject(new Error("floor: a lane does not answer"))),
      BOUND_MS,
    );
    lane.once("message", onMessage);
    lane.once("exit", onExit);
    if (question !== undefined) lane.send(question);
  });
}
