import type { HttpResponse } from "../../src/load/response-parser.ts";
import { checkAnswer, type ReferenceAnswer } from "../load/answer-check.ts";
import type { ModelContent } from "./app-copy.ts";

/** What answers show of what is served. */
export interface Served {
  readonly shown: string;
  readonly models: ModelContent;
}

/** `either`: the two cannot be told apart by this answer, and it is right. */
export type Judgement =
  | { readonly kind: "before" | "after" | "either" }
  | { readonly kind: "wrong" | "failed"; readonly reason: string };

/** Tells of an answer whether it is one of what was served before a change, or of what is to be served after it. */
export class Judge {
  readonly #references: Readonly<Record<ModelContent, readonly ReferenceAnswer[]>>;

  /** @param references by what is in the place of the first model: the right answers, in the order of the players. */
  constructor(references: Readonly<Record<ModelContent, readonly ReferenceAnswer[]>>) {
    this.#references = references;
  }

  judge(player: number, response: HttpResponse, before: Served, after: Served): Judgement {
    const isBefore = this.#isRight(player, response, before);
    const isAfter = this.#isRight(player, response, after);
    if (isBefore && isAfter) return { kind: "either" };
    if (isBefore) return { kind: "before" };
    if (isAfter) return { kind: "after" };
    return this.#fault(player, response, after);
  }

  #isRight(player: number, response: HttpResponse, { shown, models }: Served): boolean {
    const expected = this.#references[models][player];
    return (
      expected !== undefined &&
      checkAnswer(response, expected).kind === "right" &&
      shownBy(response.body) === shown
    );
  }

  #fault(player: number, response: HttpResponse, after: Served): Judgement {
    const expected = this.#references[after.models][player];
    if (expected === undefined) return { kind: "failed", reason: `no reference for player ${player}` };
    const verdict = checkAnswer(response, expected);
    if (verdict.kind === "wrong" || verdict.kind === "failed") return verdict;
    if (verdict.kind !== "right") return { kind: "failed", reason: `the answer is ${verdict.kind}` };
    const found = shownBy(response.body);
    return { kind: "wrong", reason: `the module shows ${found}, where ${after.shown} was to be` };
  }
}

function shownBy(body: string): unknown {
  try {
    const answer: unknown = JSON.parse(body);
    return typeof answer === "object" && answer !== null && "version" in answer ? answer.version : undefined;
  } catch {
    return undefined;
  }
}
