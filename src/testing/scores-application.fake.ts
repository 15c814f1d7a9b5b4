import { setTimeout as wait } from "node:timers/promises";
import { application } from "../api/application.ts";
import { mean } from "../api/combiners.ts";
import { deployment } from "../api/deployment.ts";
import { type Ensemble, ensemble } from "../api/ensemble.ts";
import type { Handle } from "../api/handle.ts";
import type { Fallback } from "../api/http-routes.ts";
import type { OnnxModel } from "../api/onnx-model.ts";
import { onnxModel } from "../onnx/onnx-model.ts";
import { Tensor } from "../wire/tensor.ts";
import type { SimulatedModel } from "./simulated-model.ts";
import type { SimulationOptions } from "./simulation-options.ts";

export interface ScoresKnobs {
  readonly members?: number;
  /** Replicas of each model and of each class. Default 2. */
  readonly replicas?: number;
  /** Default all members but one, and one at least. */
  readonly quorum?: number;
  readonly deadlineMs?: number;
  readonly hedge?: boolean;
  readonly idempotent?: boolean;
  readonly fallback?: Fallback;
  /** Rows in one run of a model. Default 64. */
  readonly maxBatchSize?: number;
  /** How long a look-up takes. Default 2. */
  readonly lookUpMs?: number;
}

/** What each member says of an input. */
export const SCORE_OF = (x: number): number => 2 * x + 1;

/** Its features are looked up, then its members asked, whose mean is the answer: for tests of the runtime as a whole. */
export function scoresApplication(knobs: ScoresKnobs = {}) {
  const { members = 5, replicas = 2, deadlineMs = 1000, hedge = false, idempotent = false } = knobs;
  const { quorum = Math.max(1, members - 1), lookUpMs = 2, fallback, maxBatchSize = 64 } = knobs;
  /** Inputs in the order in which their look-ups were begun, by whichever replica. */
  const lookedUp: number[] = [];

  class Features {
    async get(x: number): Promise<Tensor> {
      lookedUp.push(x);
      await wait(lookUpMs);
      return new Tensor("float32", Float32Array.of(x), [1, 1]);
    }
  }

  class Scorer {
    readonly #features: Handle<Features>;
    readonly #score: Ensemble<OnnxModel, number>;

    constructor(features: Handle<Features>, models: Handle<OnnxModel>[]) {
      this.#features = features;
      this.#score = ensemble(models, { combine: mean, quorum, hedge });
    }

    async score({ x }: { x: number }) {
      const input = await this.#features.get(x);
      const { value, degraded, members: reports } = await this.#score.predict(input);
      return { value, degraded, statuses: reports.map(({ status }) => status) };
    }
  }

  const models = Array.from({ length: members }, (_, index) =>
    onnxModel({ name: `m${index}`, path: `m${index}.onnx`, replicas, batching: { maxBatchSize } }),
  );
  const features = deployment(Features, { replicas, idempotent }).bind();
  return {
    lookedUp,
    models,
    features,
    app: application({
      name: "scores",
      deadlineMs,
      ingress: deployment(Scorer, { replicas, idempotent }).bind(features, models),
      http: { "POST /score": { method: "score", ...(fallback === undefined ? {} : { fallback }) } },
    }),
  };
}

/** A run of one row takes 1.1 ms, each further row 0.1. */
export const QUICK_MODEL: SimulatedModel = {
  costMs: (rows) => 1 + 0.1 * rows,
  predict: ([x = Number.NaN]) => SCORE_OF(x),
};

export const QUICK: SimulationOptions = { models: { "*": QUICK_MODEL } };

export const score = (x: number) => ({ path: "/score", body: { x } });
