import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import Fastify, { type FastifyInstance } from "fastify";
import {
  type CatalogueFile,
  chooseOffer,
  type GameCatalogue,
  type Offer,
  prepareCatalogue,
} from "../../catalogue/choose-offer.ts";
import type { Settings } from "./settings.ts";

export interface Member {
  readonly name: string;
  readonly status: "ok";
  readonly output: number;
  readonly latencyMs: number;
}

export interface Score {
  readonly features: Float32Array;
  readonly propensity: number;
  readonly members: readonly Member[];
}

/** @returns `undefined` for an unknown player. */
export type ScorePlayer = (playerId: string) => Promise<Score | undefined>;

type Reason = "unknown-player" | "features-unavailable" | "model-unavailable";

const CATALOGUE = new URL("../../catalogue/catalogue.json", import.meta.url);
const offerProperties = {
  sku: { type: "string" },
  price: { type: "number" },
  discountPercent: { type: "number" },
  expiresInSeconds: { type: "number" },
};
const count = { type: "number" };
/** Fastify serialises by it, which is faster than `JSON.stringify`. */
const answerSchema = {
  type: "object",
  properties: {
    requestId: { type: "string" },
    game: { type: "string" },
    version: { type: "string" },
    playerId: { type: "string" },
    offer: { type: "object", properties: offerProperties },
    propensity: { type: ["number", "null"] },
    personalised: { type: "boolean" },
    degraded: { type: "boolean" },
    members: {
      type: "object",
      properties: { ok: count, late: count, failed: count, shed: count, cancelled: count },
    },
    reason: { type: ["string", "null"] },
    latencyMs: { type: "number" },
    explain: { type: "object", additionalProperties: true },
  },
};
const bodySchema = {
  type: "object",
  required: ["playerId"],
  properties: { playerId: { type: "string", minLength: 1, maxLength: 128 } },
};

interface OfferRoute {
  Params: { game: string };
  Body: { playerId: string };
  Querystring: { explain?: string };
}

/** The example's contract over HTTP; how a player is scored is the caller's. */
export function offerServer(settings: Settings, score: ScorePlayer): FastifyInstance {
  const games = prepareCatalogue(JSON.parse(readFileSync(CATALOGUE, "utf8")) as CatalogueFile);
  const server = Fastify({
    logger: false,
    genReqId: () => randomUUID(),
    requestIdHeader: "x-request-id",
    // By default a number would pass as a string.
    ajv: { customOptions: { coerceTypes: false } },
  });

  server.setErrorHandler<Error & { statusCode?: number; code?: string }>((error, request, reply) => {
    const status = error.statusCode ?? 500;
    const code =
      status === 400
        ? error.code === "FST_ERR_CTP_INVALID_JSON_BODY"
          ? "MalformedJson"
          : "InvalidArgument"
        : "Internal";
    return reply.code(status).send({ error: { code, message: error.message, requestId: request.id } });
  });
  server.setNotFoundHandler((request, reply) =>
    reply
      .code(404)
      .send({ error: { code: "NotFound", message: `no route ${request.url}`, requestId: request.id } }),
  );

  server.post<OfferRoute>(
    "/offers/:game",
    { schema: { body: bodySchema, response: { 200: answerSchema } } },
    async (request, reply) => {
      const startedAt = performance.now();
      const { game } = request.params;
      const { playerId } = request.body;
      const catalogue = games.get(game);
      reply.header("x-request-id", request.id);
      if (catalogue === undefined) {
        const message = `game: expected one of ${[...games.keys()].join(", ")}, found "${game}"`;
        return reply
          .code(404)
          .send({ error: { code: "NotFound", message, path: "game", requestId: request.id } });
      }
      const base = { requestId: request.id, game, version: settings.version, playerId };
      const result = await scored(game, playerId);
      const latencyMs = (): number => Math.round((performance.now() - startedAt) * 1000) / 1000;
      if (typeof result === "string") {
        return { ...base, ...fallback(catalogue, result), latencyMs: latencyMs() };
      }
      const { propensity } = result;
      return {
        ...base,
        offer: chooseOffer(catalogue, propensity).offer,
        propensity,
        personalised: true,
        degraded: false,
        members: { ok: result.members.length, late: 0, failed: 0, shed: 0, cancelled: 0 },
        reason: null,
        latencyMs: latencyMs(),
        ...(request.query.explain === "1"
          ? { explain: { features: [...result.features], members: result.members } }
          : {}),
      };
    },
  );
  return server;

  async function scored(game: string, playerId: string): Promise<Score | Reason> {
    if (game !== settings.game) return "model-unavailable";
    return (await score(playerId)) ?? "unknown-player";
  }
}

function fallback(catalogue: GameCatalogue, reason: Reason): Record<string, unknown> & { offer: Offer } {
  return {
    offer: catalogue.defaultOffer,
    propensity: null,
    personalised: false,
    degraded: false,
    members: { ok: 0, late: 0, failed: 0, shed: 0, cancelled: 0 },
    reason,
  };
}
