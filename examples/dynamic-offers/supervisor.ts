import { readFileSync } from "node:fs";
import path from "node:path";
import {
  context,
  type Ensemble,
  type EnsembleResult,
  ensemble,
  type Handle,
  HttpError,
  type HttpRequestInfo,
  type MemberReport,
  type OnnxModel,
  type Tensor,
  TuttiError,
  weightedMean,
} from "tutti";
import {
  type CatalogueFile,
  chooseOffer,
  type GameCatalogue,
  type Offer,
  prepareCatalogue,
} from "./catalogue/choose-offer.ts";
import type { Features } from "./features.ts";
import { modelWeights } from "./model-weights.ts";
import { settings } from "./settings.ts";

/** Why an answer is not personal. */
type Reason = "unknown-player" | "features-unavailable" | "deadline" | "below-quorum" | "model-unavailable";

/** One game: what can be offered, and the ensemble that knows its players, if its models are loaded. */
interface Game {
  readonly name: string;
  readonly catalogue: GameCatalogue;
  readonly propensity: Ensemble<OnnxModel, number> | undefined;
}

/** Light by design: it waits for others and adds up what they say. */
export class Supervisor {
  readonly #features: Handle<Features>;
  readonly #games: ReadonlyMap<string, Game>;

  /** @param options `hedge`: models that take unusually long are asked a second time, on their other replica. */
  constructor(
    features: Handle<Features>,
    models: Readonly<Record<string, Handle<OnnxModel>[]>>,
    { hedge = false }: { readonly hedge?: boolean } = {},
  ) {
    this.#features = features;
    const file: CatalogueFile = JSON.parse(
      readFileSync(path.join(import.meta.dirname, "catalogue/catalogue.json"), "utf8"),
    );
    this.#games = new Map(
      [...prepareCatalogue(file)].map(([name, catalogue]) => {
        const members = models[name];
        const propensity = members === undefined ? undefined : propensityOf(name, members, hedge);
        return [name, { name, catalogue, propensity }];
      }),
    );
  }

  async offer(request: { playerId: string }, { params, query }: HttpRequestInfo) {
    const startedAtMs = performance.now();
    const game = this.#games.get(params["game"] ?? "");
    if (game === undefined)
      throw new HttpError(404, "unknown-game", `there is no game ${params["game"]}`, "game");
    const answer = (decided: Decided) => ({
      requestId: context().requestId,
      game: game.name,
      version: settings.version,
      playerId: request.playerId,
      offer: decided.offer,
      propensity: decided.propensity,
      personalised: decided.reason === null,
      degraded: decided.degraded,
      members: countMembers(decided.members),
      reason: decided.reason,
      latencyMs: round(performance.now() - startedAtMs),
      ...(query["explain"] === "1" ? { explain: explain(decided) } : {}),
    });
    const fallback = (reason: Reason, members: readonly MemberReport[] = [], features?: Tensor) => {
      context().degraded = true;
      return answer({
        offer: game.catalogue.defaultOffer,
        propensity: null,
        degraded: true,
        members,
        reason,
        features,
      });
    };
    if (game.propensity === undefined) return fallback("model-unavailable");
    let features: Tensor | undefined;
    try {
      features = await this.#features.get(request.playerId);
    } catch (error) {
      return fallback(reasonOf(error, "features-unavailable"));
    }
    context().recordStage("features", performance.now() - startedAtMs);
    if (features === undefined) return fallback("unknown-player");
    let result: EnsembleResult<number>;
    try {
      result = await game.propensity.predict(features);
    } catch (error) {
      return fallback(reasonOf(error, "model-unavailable"), membersOf(error), features);
    }
    const { value, degraded, members } = result;
    const { offer } = chooseOffer(game.catalogue, value);
    return answer({ offer, propensity: value, degraded, members, reason: null, features });
  }
}

/** With 12 of 15 models the mean is still close to that of all; the others may be late, broken or out of reach. */
function propensityOf(
  game: string,
  members: Handle<OnnxModel>[],
  hedge: boolean,
): Ensemble<OnnxModel, number> {
  const weights = modelWeights(settings.modelsDirectory(game), `${game}.`);
  return ensemble(members, { combine: weightedMean, weights, quorum: 12, hedge });
}

interface Decided {
  readonly offer: Offer;
  readonly propensity: number | null;
  readonly degraded: boolean;
  readonly members: readonly MemberReport[];
  readonly reason: Reason | null;
  readonly features?: Tensor | undefined;
}

function reasonOf(error: unknown, otherwise: Reason): Reason {
  const code = error instanceof TuttiError ? error.code : undefined;
  if (code === "DeadlineExceeded") return "deadline";
  if (code === "BelowQuorum") return "below-quorum";
  return code === "FeaturesUnavailable" ? "features-unavailable" : otherwise;
}

function membersOf(error: unknown): readonly MemberReport[] {
  const members = error instanceof TuttiError ? error.details?.["members"] : undefined;
  return Array.isArray(members) ? members : [];
}

function countMembers(members: readonly MemberReport[]) {
  const counts = { ok: 0, late: 0, failed: 0, shed: 0, cancelled: 0 };
  for (const { status } of members) counts[status] += 1;
  return counts;
}

function explain({ features, members }: Decided) {
  return {
    features: features === undefined ? [] : [...(features.data as Float32Array)],
    members: members.map(({ name, status, output, latencyMs }) => ({
      // The catalogue of models knows them without the game in front.
      name: name.slice(name.indexOf(".") + 1),
      status,
      output: typeof output === "number" ? output : null,
      latencyMs: round(latencyMs),
    })),
  };
}

const round = (ms: number): number => Math.round(ms * 1000) / 1000;
