/**
 * What a good engineer writes without a serving framework: Fastify, ONNX Runtime in the process, one process for each
 * core, feature look-ups of many requests under way at once. `MICRO_BATCH=64` adds request-level micro-batching.
 */
import { loadModels, weightedMean } from "./models.ts";
import { offerServer } from "./offer-server.ts";
import { PlayerFeatures } from "./player-features.ts";
import { replicated } from "./replicated.ts";
import { batchScorer, type ScoreRow, singleScorer } from "./scorers.ts";
import { settingsFrom } from "./settings.ts";

const settings = settingsFrom(process.env);

await replicated(settings.processes, async () => {
  const store = new PlayerFeatures(settings.playersDb, settings.lookupDelayMs);
  const models = await loadModels(settings.modelsDir);
  const scoreRow: ScoreRow =
    settings.microBatch > 1 ? batchScorer(models, settings.microBatch) : singleScorer(models);
  const server = offerServer(settings, async (playerId) => {
    const features = await store.get(playerId);
    if (features === undefined) return undefined;
    const members = await scoreRow(features);
    return { features, members, propensity: weightedMean(models, members) };
  });
  await server.listen({ host: "127.0.0.1", port: settings.port });
});
