import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TuttiError } from "../errors/tutti-error.ts";
import { callsForFallback, compileFallback, fallbackReason } from "./fallback.ts";
import type { FallbackSpec, Json } from "./ingress-target.ts";

const values = {
  requestId: "r-1",
  latencyMs: 12.3456,
  reason: "deadline",
  params: { game: "tower" },
  body: { playerId: "p-1", nested: { a: [1] } },
};
const render = (spec: FallbackSpec, params = ["game"]) => {
  const text = compileFallback(spec, params, "fallback").render(values);
  return text === undefined ? undefined : JSON.parse(text);
};

describe("a fallback", () => {
  test("replaces strings that are exactly a placeholder, and only those", () => {
    const body = {
      id: "$requestId",
      ms: "$latencyMs",
      why: ["$reason", "because $reason"],
      game: "$params.game",
      player: "$body.playerId",
      nested: "$body.nested",
      $reason: 1,
    };
    expect(render({ body })).toEqual({
      id: "r-1",
      ms: 12.35,
      why: ["deadline", "because $reason"],
      game: "tower",
      player: "p-1",
      nested: { a: [1] },
      $reason: 1,
    });
  });

  test("an unknown field or parameter is null, and so is one inherited", () => {
    expect(render({ body: ["$body.none", "$params.none", "$body.toString", "$params.constructor"] })).toEqual(
      [null, null, null, null],
    );
  });

  test("without a body to read from, its fields are null", () => {
    const compiled = compileFallback({ body: ["$body.x"] }, [], "fallback");
    for (const body of [undefined, null, "text", 3])
      expect(compiled.render({ ...values, body })).toBe("[null]");
  });

  test("a body is chosen by a path parameter; a value without one has no fallback", () => {
    expect(render({ byParam: "game", bodies: { tower: { default: "$params.game" } } })).toEqual({
      default: "tower",
    });
    expect(render({ byParam: "game", bodies: { racer: {} } })).toBeUndefined();
  });

  test("any JSON without placeholders comes out as it went in", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (body) => {
        expect(render({ body: body as Json })).toEqual(JSON.parse(JSON.stringify(body)));
      }),
    );
  });

  test("refuses a byParam that the path lacks, a status that has no body, and what is not JSON", () => {
    expect(() => compileFallback({ byParam: "gme", bodies: {} }, ["game"], "f")).toThrow(
      /byParam "gme" .* game/,
    );
    expect(() => compileFallback({ status: 204, body: 1 }, [], "f")).toThrow(/status/);
    expect(() => compileFallback({ body: { a: [Number.NaN] } }, [], "f")).toThrow(
      /f\.body\.a\[0\]: expected JSON/,
    );
    const loop: { self?: Json } = {};
    loop.self = loop as Json;
    expect(() => compileFallback({ body: loop as Json }, [], "f")).toThrow(/contains itself/);
  });

  test("reasons are from a fixed list", () => {
    expect(
      (["DeadlineExceeded", "BelowQuorum", "FeaturesUnavailable", "PeerClosed"] as const).map(fallbackReason),
    ).toEqual(["deadline", "below-quorum", "features-unavailable", "model-unavailable"]);
  });

  test("is for failures, not for refusals", () => {
    const calls = (code: ConstructorParameters<typeof TuttiError>[0]) => {
      const error = new TuttiError(code, "");
      return callsForFallback(error, error.status);
    };
    expect([calls("Unavailable"), calls("ApplicationError"), calls("DeadlineExceeded")]).toEqual([
      true,
      true,
      true,
    ]);
    expect([calls("Overloaded"), calls("Draining"), calls("InvalidArgument")]).toEqual([false, false, false]);
  });
});
