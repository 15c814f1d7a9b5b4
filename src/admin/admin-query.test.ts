import { describe, expect, it } from "vitest";
import type { TuttiError } from "../errors/tutti-error.ts";
import { formatOf, type RawQuery, requestsQuery } from "./admin-query.ts";

const asked = (query: RawQuery) => requestsQuery(query);

describe("a query for requests", () => {
  it("is for the 20 slowest unless it says otherwise", () => {
    expect(asked({})).toEqual({ kept: "slow", limit: 20, id: undefined, deployment: undefined });
    expect(asked({ degraded: "", limit: "5", deployment: "m7" })).toMatchObject({
      kept: "degraded",
      limit: 5,
      deployment: "m7",
    });
  });

  it.each([
    [{ slwo: "" }, "query.slwo", /unknown parameter; known: slow, degraded/],
    [{ slow: "", failed: "" }, "query.failed", /together with slow/],
    [{ slow: "1" }, "query.slow", /expected no value/],
    [{ limit: "0" }, "query.limit", /from 1 to 200, got "0"/],
    [{ limit: "201" }, "query.limit", /from 1 to 200/],
    [{ limit: "1e2" }, "query.limit", /from 1 to 200/],
    [{ id: "" }, "query.id", /1 to 256 characters/],
    [{ id: "x".repeat(257) }, "query.id", /1 to 256 characters/],
    [{ id: ["a", "b"] }, "query.id", /repeatedly/],
  ])("is refused as %j, with the parameter as its path", (query, path, message) => {
    let error: TuttiError | undefined;
    try {
      asked(query);
    } catch (thrown) {
      error = thrown as TuttiError;
    }
    expect(error).toMatchObject({ code: "InvalidArgument", path });
    expect(error?.message).toMatch(message);
  });
});

describe("the format", () => {
  it.each([
    [{}, undefined, "text"],
    [{}, "*/*", "text"],
    [{}, "text/html,application/xhtml+xml", "text"],
    [{}, "application/json", "json"],
    [{}, "text/plain, application/json;q=0.5", "json"],
    [{ format: "text" }, "application/json", "text"],
    [{ format: "json" }, "*/*", "json"],
  ] as const)("of %j with accept %s is %s", (query, accept, format) => {
    expect(formatOf(query, accept)).toBe(format);
  });

  it("is refused when it is none", () => {
    expect(() => formatOf({ format: "xml" }, undefined)).toThrow(/expected text or json, got "xml"/);
  });
});
