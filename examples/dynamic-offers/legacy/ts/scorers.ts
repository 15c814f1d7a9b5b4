import { type Model, runModel, toTensor } from "./models.ts";
import type { Member } from "./offer-server.ts";

/** Runs all models on one player's features. */
export type ScoreRow = (features: Float32Array) => Promise<Member[]>;

/**
 * The models of one request in turn. Between two runs other requests get theirs, so that one model serves several
 * requests while its weights are in the processor's cache: starting all runs of a request together is slower (README).
 */
export function singleScorer(models: readonly Model[]): ScoreRow {
  return async (features) => {
    const rows = toTensor([features]);
    const members: Member[] = [];
    for (const model of models) {
      const startedAt = performance.now();
      members.push(memberOf(model, await runModel(model, rows), 0, performance.now() - startedAt));
    }
    return members;
  };
}

interface Waiting {
  readonly features: Float32Array;
  readonly resolve: (members: Member[]) => void;
  readonly reject: (reason: unknown) => void;
}

/** While one batch runs, requests gather; the next batch takes all of them, up to `maxRows`. No time is waited out. */
export function batchScorer(models: readonly Model[], maxRows: number): ScoreRow {
  const waiting: Waiting[] = [];
  let running = false;

  const runBatches = async (): Promise<void> => {
    running = true;
    while (waiting.length > 0) {
      const batch = waiting.splice(0, maxRows);
      const startedAt = performance.now();
      try {
        const rows = toTensor(batch.map(({ features }) => features));
        const outputs = await Promise.all(models.map((model) => runModel(model, rows)));
        const latencyMs = performance.now() - startedAt;
        batch.forEach(({ resolve }, row) => {
          resolve(models.map((model, index) => memberOf(model, outputs[index], row, latencyMs)));
        });
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    running = false;
  };

  return (features) =>
    new Promise((resolve, reject) => {
      waiting.push({ features, resolve, reject });
      // On the next turn of the loop, so that requests read from other sockets in this one are in the batch.
      if (!running) {
        running = true;
        setImmediate(runBatches);
      }
    });
}

function memberOf(model: Model, outputs: Float32Array | undefined, row: number, latencyMs: number): Member {
  const output = outputs?.[row];
  if (output === undefined) throw new Error(`${model.name}: expected a value for row ${row}`);
  return { name: model.name, status: "ok", output, latencyMs };
}
