import { describe, expect, it } from "vitest";
import type { HttpResponse } from "../src/load/response-parser.ts";
import type { Reference } from "./reference.ts";
import { judgeAnswer } from "./verdict.ts";

const REFERENCE: Reference = {
  playerIds: ["p0", "p1"],
  members: ["a", "b", "c"],
  weights: [1, 1, 2],
  outputs: [
    [0.1, 0.2, 0.6],
    [0.5, 0.5, 0.5],
  ],
  defaultOffer: "basic/0",
  offersFor: (propensity) => [propensity < 0.25 ? "cheap/50" : "dear/10"],
};

const offer = (key: string) => {
  const [sku, discountPercent] = key.split("/");
  return { sku, discountPercent: Number(discountPercent) };
};

/** Complete and right for the first player, unless told otherwise. */
function answer(fields: object = {}, response: Partial<HttpResponse> = {}): HttpResponse {
  const members = ["a", "b", "c"].map((name, at) => ({
    name,
    status: "ok",
    output: REFERENCE.outputs[0]![at],
  }));
  const body = {
    playerId: "p0",
    offer: offer("dear/10"),
    propensity: 0.375,
    personalised: true,
    degraded: false,
    members: { ok: 3 },
    reason: null,
    explain: { members },
    ...fields,
  };
  return { status: 200, degradedHeader: "0", closes: false, body: JSON.stringify(body), ...response };
}

const kindOf = (response: HttpResponse, player = 0) => judgeAnswer(response, player, REFERENCE).kind;

const partial = {
  degraded: true,
  members: { ok: 2 },
  propensity: 0.15,
  offer: offer("cheap/50"),
  explain: {
    members: [
      { name: "a", status: "ok", output: 0.1 },
      { name: "b", status: "ok", output: 0.2 },
      { name: "c", status: "late", output: null },
    ],
  },
};
const fallback = {
  personalised: false,
  degraded: true,
  propensity: null,
  offer: offer("basic/0"),
  members: { ok: 0 },
  reason: "deadline",
};
const labelled = { degradedHeader: "1" };

describe("an answer", () => {
  it("is right when every member said what its model says, and the rest follows from it", () => {
    expect(kindOf(answer())).toBe("right");
  });

  it("is degraded when it is right for the members that it names, and says so", () => {
    expect(kindOf(answer(partial, labelled))).toBe("degraded");
  });

  it("is a fallback when it is the default offer with a reason, and says so", () => {
    expect(kindOf(answer(fallback, labelled))).toBe("fallback");
  });

  it.each([
    ["in its header", answer(partial)],
    ["in its body", answer({ ...partial, degraded: false }, labelled)],
    ["at all, being a fallback", answer({ ...fallback, degraded: false })],
  ])("is unlabelled when it is less than whole and does not say so %s", (_, response) => {
    expect(kindOf(response)).toBe("unlabelled");
  });

  it("is unlabelled when it says that it is less than whole and is not", () => {
    expect(kindOf(answer({ degraded: true }, labelled))).toBe("unlabelled");
  });

  it.each([
    ["another player's", answer({ playerId: "p1" })],
    ["of another propensity than its members give", answer({ propensity: 0.3751 })],
    ["of the mean of all, with one missing", answer({ ...partial, propensity: 0.375 }, labelled)],
    ["of the mean without weights", answer({ propensity: 0.3 })],
    ["another offer than its propensity gives", answer({ offer: offer("cheap/50") })],
    [
      "of a member that said something else than its model",
      answer(
        {
          ...partial,
          explain: {
            members: [{ name: "a", status: "ok", output: 0.2 }, ...partial.explain.members.slice(1)],
          },
        },
        labelled,
      ),
    ],
    ["of more members than it explains", answer({ explain: { members: [] } })],
    ["a fallback that is not the default offer", answer({ ...fallback, offer: offer("dear/10") }, labelled)],
    ["a fallback without a reason", answer({ ...fallback, reason: null }, labelled)],
    ["no offer", answer({}, { body: '{"hello":1}' })],
    ["not JSON", answer({}, { body: "hello" })],
  ])("is wrong when it is %s", (_, response) => {
    expect(kindOf(response)).toBe("wrong");
  });

  it.each([
    [503, "refused"],
    [429, "refused"],
    [500, "failed"],
    [504, "failed"],
    [404, "failed"],
  ])("of status %d is %s", (status, kind) => {
    expect(kindOf(answer({}, { status }))).toBe(kind);
  });
});
