/**
 * The story's monolith, in TypeScript: a web server wrapped around all models of a version. It handles one request
 * at a time, from the look-up to the last model, and is replicated as a whole.
 */
import { loadModels, type Model, runModel, toTensor, weightedMean } from "./models.ts";
import { type Member, offerServer, type Score } from "./offer-server.ts";
import { PlayerFeatures } from "./player-features.ts";
import { replicated } from "./replicated.ts";
import { settingsFrom } from "./settings.ts";

const settings = settingsFrom(process.env);

await replicated(settings.processes, async () => {
  const features = new PlayerFeatures(settings.playersDb, settings.lookupDelayMs);
  const models = await loadModels(settings.modelsDir);
  const oneAtATime = queue();
  const server = offerServer(settings, (playerId) => oneAtATime(() => score(playerId, features, models)));
  await server.listen({ host: "127.0.0.1", port: settings.port });
});

async function score(
  playerId: string,
  store: PlayerFeatures,
  models: readonly Model[],
): Promise<Score | undefined> {
  const features = await store.get(playerId);
  if (features === undefined) return undefined;
  const members: Member[] = [];
  for (const model of models) {
    const startedAt = performance.now();
    const [output] = await runModel(model, toTensor([features]));
    if (output === undefined) throw new Error(`${model.name}: an empty output`);
    members.push({ name: model.name, status: "ok", output, latencyMs: performance.now() - startedAt });
  }
  return { features, members, propensity: weightedMean(models, members) };
}

/** Runs what it is given one after the other, in the order of arrival. */
function queue(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  };
}
