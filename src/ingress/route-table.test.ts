import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ApplicationSpec, CallTarget, RouteSpec } from "./ingress-target.ts";
import { RouteTable } from "./route-table.ts";

const NOBODY: CallTarget = {
  call: () => {
    throw new Error("nobody calls");
  },
};
const compile = (specs: readonly ApplicationSpec[], random?: () => number) =>
  RouteTable.compile(specs, NOBODY, random);

const route = (text: string): RouteSpec => {
  const [method = "", path = ""] = text.split(" ");
  return { method, path, handler: text, takesBody: false, idempotent: false, priority: "high" };
};
const application = (prefix: string, ...routes: string[]): ApplicationSpec => ({
  name: `app at ${prefix}`,
  version: "1",
  route: prefix,
  deadlineMs: 100,
  maxInFlight: 100,
  kind: "routes",
  routes: routes.map(route),
});
const fetchApplication = (prefix: string): ApplicationSpec => ({ ...application(prefix), kind: "fetch" });

function served(table: RouteTable, method: string, path: string): string {
  const match = table.find(method, path);
  if (match.kind === "route")
    return `${match.application.prefix} ${match.route.spec.handler} ${JSON.stringify(match.params)}`;
  return match.kind === "wrong-method" ? `allow ${match.allow.join(",")}` : match.kind;
}

describe("the route table", () => {
  test("RT1: picks the application with the longest route, by whole segments, and does not fall through", () => {
    const table = compile([
      application("/", "GET /:any"),
      application("/a", "GET /x"),
      fetchApplication("/a/b"),
    ]);
    expect(served(table, "GET", "/a/x")).toBe("/a GET /x {}");
    expect(served(table, "GET", "/ab")).toBe(' GET /:any {"any":"ab"}');
    expect(served(table, "GET", "/a/y")).toBe("not-found");
    expect(table.find("PATCH", "/a/b/c/d")).toMatchObject({ kind: "fetch", application: { prefix: "/a/b" } });
    expect(served(table, "TRACE", "/a/b")).toMatch(/^allow DELETE,GET/);
  });

  test("RT2: prefers static text to a parameter, and comes back from a dead end", () => {
    const table = compile([application("/", "GET /a/b/c", "GET /:x/b/d", "GET /a/:y")]);
    expect(served(table, "GET", "/a/b/c")).toBe(" GET /a/b/c {}");
    expect(served(table, "GET", "/a/b/d")).toBe(' GET /:x/b/d {"x":"a"}');
    expect(served(table, "GET", "/a/b")).toBe(' GET /a/:y {"y":"b"}');
  });

  test("RT2: serves HEAD by GET unless it has its own route", () => {
    const table = compile([application("/", "GET /a", "GET /b", "HEAD /b")]);
    expect(served(table, "HEAD", "/a")).toBe(" GET /a {}");
    expect(served(table, "HEAD", "/b")).toBe(" HEAD /b {}");
  });

  test("RT4: gives each version at a route its share of the requests, and all else of a request is of that version", () => {
    const version = (name: string, weight: number, ...routes: string[]): ApplicationSpec => ({
      ...application("/a", ...routes),
      version: name,
      serving: { target: NOBODY, weight },
    });
    let drawn = 0;
    const versions = [
      version("v1", 0.7, "GET /x"),
      version("v2", 0.2, "GET /x", "GET /y"),
      version("v3", 0.1),
    ];
    const table = compile(versions, () => drawn);
    const at = (draw: number, path: string) => {
      drawn = draw;
      return table.find("GET", path);
    };
    const weightAt = (draw: number) => {
      const match = at(draw, "/a/x");
      return "application" in match ? match.application.weight : match.kind;
    };
    expect([0, 0.69, 0.71, 0.89, 0.91, 0.999].map(weightAt)).toEqual([
      0.7,
      0.7,
      0.2,
      0.2,
      "not-found",
      "not-found",
    ]);
    expect(at(0, "/a/y").kind).toBe("not-found");
    expect(at(0.8, "/a/y").kind).toBe("route");
  });

  test("a path of another method is told which methods it has", () => {
    const table = compile([application("/a", "GET /:x", "POST /:x", "PUT /only")]);
    expect(served(table, "DELETE", "/a/1")).toBe("allow GET,HEAD,OPTIONS,POST");
    expect(served(table, "PUT", "/a/1")).toBe("allow GET,HEAD,OPTIONS,POST");
  });

  test("decodes segments one by one, and names paths that do not decode", () => {
    const table = compile([application("/a", "GET /:x", "GET /:x/y")]);
    expect(served(table, "GET", "/a/b%2Fc%20d")).toBe('/a GET /:x {"x":"b/c d"}');
    expect(served(table, "GET", "/a/%zz")).toBe("bad-path");
    expect(served(table, "GET", "/a//y")).toBe("not-found");
  });

  test("the route itself is its path /", () => {
    const table = compile([application("/a", "GET /")]);
    expect(served(table, "GET", "/a")).toBe("/a GET / {}");
    expect(served(table, "GET", "/a/")).toBe("/a GET / {}");
    expect(served(compile([application("/", "GET /")]), "GET", "/")).toBe(" GET / {}");
    expect(served(table, "GET", "*")).toBe("not-found");
  });

  test("two versions of one name and label are served side by side: their options may differ", () => {
    const version = { ...application("/a", "GET /"), serving: { target: NOBODY, weight: 0.5 } };
    const drawn = [0.2, 0.9].map((random) => {
      const match = compile([version, { ...version }], () => random).find("GET", "/a");
      return match.kind === "route" ? match.application : match.kind;
    });
    expect(drawn).toEqual([
      expect.objectContaining({ prefix: "/a" }),
      expect.objectContaining({ prefix: "/a" }),
    ]);
    expect(drawn[0]).not.toBe(drawn[1]);
  });

  test.each([
    [
      "two routes of one shape",
      [application("/a", "GET /:x", "GET /:y")],
      "DuplicateName",
      /"GET \/:x" and "GET \/:y"/,
    ],
    [
      "two applications on one route",
      [application("/a"), { ...application("/a"), name: "b" }],
      "DuplicateName",
      /one route, \/a/,
    ],
    [
      "two applications of one name",
      [application("/a"), { ...application("/b"), name: "app at /a" }],
      "DuplicateName",
      /one|name/,
    ],
    ["an unknown method", [application("/a", "FETCH /")], "InvalidOptions", /"FETCH \/": unknown method/],
    ["a path without slash", [application("/a", "GET x")], "InvalidOptions", /begins with "\/"/],
    ["a trailing slash", [application("/a/")], "InvalidOptions", /trailing/],
    ["a wildcard", [application("/a", "GET /*")], "InvalidOptions", /"\*"/],
    ["a parameter named twice", [application("/a", "GET /:x/:x")], "InvalidOptions", /:x occurs twice/],
    ["a parameter in the route", [application("/:x")], "InvalidOptions", /no parameters/],
    ["a reserved route", [application("/v2/x")], "InvalidOptions", /reserved \(\/v2\)/],
    ["a deadline that is none", [{ ...application("/a"), deadlineMs: 0 }], "InvalidOptions", /deadlineMs/],
  ])("RT3: refuses %s, naming it", (_what, specs, code, message) => {
    expect(() => compile(specs)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });

  test("agrees with a naive matcher on any set of routes", () => {
    const segment = fc.constantFrom("a", "b", ":x", ":y", ":z");
    const pattern = fc.uniqueArray(segment, { maxLength: 3 }).map((parts) => `/${parts.join("/")}`);
    const routes = fc.uniqueArray(fc.tuple(fc.constantFrom("GET", "POST"), pattern), {
      maxLength: 8,
      selector: ([method, path]) => `${method} ${path.replaceAll(/:\w/g, ":")}`,
    });
    const path = fc
      .array(fc.constantFrom("a", "b", "c"), { maxLength: 4 })
      .map((parts) => `/${parts.join("/")}`);
    fc.assert(
      fc.property(routes, path, fc.constantFrom("GET", "POST"), (specs, requested, method) => {
        const texts = specs.map((parts) => parts.join(" "));
        const table = compile([application("/", ...texts)]);
        const match = table.find(method, requested);
        const candidates = texts.filter(
          (text) => text.startsWith(`${method} `) && fits(text.split(" ")[1] ?? "", requested),
        );
        // Static text sorts before ":" at the first difference.
        const best = candidates.sort((l, r) => rank(l).localeCompare(rank(r)))[0];
        expect(match.kind === "route" ? match.route.spec.handler : undefined).toBe(best);
      }),
    );
  });
});

const split = (path: string) => path.split("/").filter((part) => part !== "");

function fits(pattern: string, path: string): boolean {
  const [want, got] = [split(pattern), split(path)];
  return want.length === got.length && want.every((part, i) => part.startsWith(":") || part === got[i]);
}

function rank(text: string): string {
  return split(text.split(" ")[1] ?? "")
    .map((part) => (part.startsWith(":") ? "1" : "0"))
    .join("");
}
