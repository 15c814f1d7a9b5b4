import type { StandardSchemaV1 } from "@standard-schema/spec";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type ApplicationOptions, application, isApplication } from "./application.ts";
import { bindDeployment } from "./binding.ts";
import { deployment } from "./deployment.ts";

class Offers {
  async offer(body: unknown) {
    return body;
  }
  async health() {
    return "fine";
  }
  checkHealth() {}
}

class Web {
  fetch(_request: Request): Response {
    return new Response("hello");
  }
}

const offers = () => deployment(Offers).bind();
const web = () => deployment(Web).bind();

/** What a user without a compiler may write. */
const build = (options: unknown) => application(options as ApplicationOptions<Offers>);
const withHttp = (http: unknown) => build({ name: "offers", ingress: offers(), http });

describe("application", () => {
  it("has its documented defaults and is frozen", () => {
    const made = application({ name: "web", ingress: web() });
    expect(made).toMatchObject({ name: "web", route: "/", version: "1", deadlineMs: 30_000, routes: [] });
    expect(Object.isFrozen(made)).toBe(true);
  });

  it("takes what it is given", () => {
    const made = application({
      name: "offers",
      route: "/offers",
      version: "v7",
      deadlineMs: 1500,
      ingress: offers(),
      http: { "POST /:game": "offer" },
    });
    expect(made).toMatchObject({ route: "/offers", version: "v7", deadlineMs: 1500 });
    expect(made.routes).toEqual([
      {
        httpMethod: "POST",
        path: "/:game",
        method: "offer",
        body: undefined,
        fallback: undefined,
        priority: "high",
      },
    ]);
  });

  it("has routes of low priority where it says so", () => {
    const http = { "POST /:game": { method: "offer", priority: "low" } } as const;
    expect(application({ name: "offers", ingress: offers(), http }).routes[0]?.priority).toBe("low");
  });

  it("is told from anything that only looks like one", () => {
    const made = application({ name: "web", ingress: web() });
    expect(isApplication(made)).toBe(true);
    for (const other of [{ ...made }, { kind: "tutti-application" }, null, undefined, 5]) {
      expect(isApplication(other)).toBe(false);
    }
  });

  it.each([
    [{ name: "" }, "application: name must be 1 to 64 letters, digits, . _ or -, got "],
    [{ name: "a b" }, "got a b"],
    [{ name: "x".repeat(65) }, "application: name must be"],
    [{ name: undefined }, "application: name must be 1 to 64 letters, digits, . _ or -, got undefined"],
    [{ name: null }, "application: name must be"],
    [{ name: 5 }, "application: name must be"],
    [{ route: "offers" }, "application web: route must be a path such as /offers, got offers"],
    [{ route: "" }, "application web: route must be a path such as /offers"],
    [{ route: "//x" }, "application web: route must be a path"],
    [{ route: "/:game" }, "application web: route must be a path"],
    [{ route: null }, "application web: route must be a path"],
    [{ deadlineMs: 0 }, "application web: deadlineMs: expected a number at least 1, got 0"],
    [{ deadlineMs: "1 s" }, 'application web: deadlineMs: expected a number at least 1, got "1 s"'],
    [{ ingress: undefined }, "application web: ingress must be deployment(Class).bind(...)"],
    [{ ingress: deployment(Web) }, "application web: ingress must be deployment(Class).bind(...)"],
    [{ ingress: Web }, "application web: ingress must be deployment(Class).bind(...)"],
    [{ ingress: new Web() }, "application web: ingress must be deployment(Class).bind(...)"],
    [
      { ingres: 1 },
      "application: unknown option ingres; known: name, route, version, deadlineMs, ingress, http",
    ],
  ])("refuses %o, naming the option", (options, message) => {
    expect(() => build({ name: "web", ingress: web(), ...options })).toThrow(message);
    expect(() => build({ name: "web", ingress: web(), ...options })).toThrow(
      expect.objectContaining({ code: "InvalidOptions" }),
    );
  });

  it("refuses a model as its ingress", () => {
    const { options } = { options: {} as never };
    const model = bindDeployment<Web>({
      kind: "model",
      name: "m",
      options,
      path: "/m.onnx",
      maxBatchRows: 1,
      session: {},
    });
    expect(() => application({ name: "web", ingress: model })).toThrow(
      "ingress must be deployment(Class).bind(...)",
    );
  });

  it("asks for routes when the ingress class has no fetch", () => {
    expect(() => build({ name: "offers", ingress: offers() })).toThrow(
      "application offers: give http routes, or let Offers have a method fetch(request)",
    );
  });
});

describe("http routes", () => {
  it("take a method's name, or that with a schema and a fallback", () => {
    const body = z.object({ playerId: z.string() });
    const fallback = { status: 200, body: { personalised: false } };
    const { routes } = withHttp({
      "POST /:game": { method: "offer", body, fallback },
      "GET /health": "health",
    });
    expect(routes[0]).toMatchObject({ httpMethod: "POST", path: "/:game", method: "offer", fallback });
    expect(routes[0]?.body).toBe(body);
    expect(routes[1]).toMatchObject({ httpMethod: "GET", path: "/health", method: "health" });
  });

  it("keep the order in which they were written", () => {
    const { routes } = withHttp({ "GET /b": "health", "GET /a": "health", "POST /b": "offer" });
    expect(routes.map(({ httpMethod, path }) => `${httpMethod} ${path}`)).toEqual([
      "GET /b",
      "GET /a",
      "POST /b",
    ]);
  });

  it.each(["GET", "POST", "PUT", "PATCH", "DELETE"])("take %s", (method) => {
    expect(withHttp({ [`${method} /`]: "offer" }).routes[0]?.httpMethod).toBe(method);
  });

  it.each(["/offers", "get /offers", "GET offers", "GET  /x", "FETCH /x", "GET /a b", "", "POST"])(
    "refuse the key %j, saying what one looks like",
    (key) => {
      expect(() => withHttp({ [key]: "offer" })).toThrow(
        `application offers: http "${key}": expected "METHOD /path" with GET, POST, PUT, PATCH, DELETE`,
      );
    },
  );

  it.each([
    ["GET /:game", "GET /:player"],
    ["POST /a/:b/c", "POST /a/:x/c"],
  ])("refuse %s beside %s, which match the same requests", (first, second) => {
    expect(() => withHttp({ [first]: "offer", [second]: "offer" })).toThrow(
      expect.objectContaining({ code: "DuplicateName", message: expect.stringContaining(`"${second}"`) }),
    );
  });

  it("allow one path with several methods", () => {
    expect(withHttp({ "GET /:game": "health", "POST /:game": "offer" }).routes).toHaveLength(2);
  });

  it.each(["ofer", "checkHealth", "constructor", "toString", "__proto__", ""])(
    "refuse the method %j, which the class does not serve, and name those it does",
    (method) => {
      expect(() => withHttp({ "POST /": method })).toThrow(`no method "${method}"; there are: offer, health`);
    },
  );

  it.each([
    [5, "expected a method's name or { method }, got 5"],
    [null, "expected a method's name or { method }, got null"],
    [{}, "no method undefined; there are: offer, health"],
    [
      { method: "offer", schema: z.string() },
      "unknown option schema; known: method, body, fallback, priority",
    ],
    [{ method: "offer", priority: "urgent" }, 'priority: expected high or low, got "urgent"'],
    [{ method: "offer", body: {} }, "body is not a Standard Schema (zod, valibot, arktype …)"],
    [{ method: "offer", body: null }, "body is not a Standard Schema (zod, valibot, arktype …)"],
    [{ method: "offer", body: (x: unknown) => x }, "body is not a Standard Schema (zod, valibot, arktype …)"],
  ])("refuse the target %o, naming the route", (target, message) => {
    expect(() => withHttp({ "POST /:game": target })).toThrow(
      `application offers: http "POST /:game": ${message}`,
    );
  });

  it("take a schema that is a function too, as some libraries' are", () => {
    const schema: StandardSchemaV1 = Object.assign(() => {}, {
      "~standard": { version: 1 as const, vendor: "test", validate: (value: unknown) => ({ value }) },
    });
    expect(withHttp({ "POST /": { method: "offer", body: schema } }).routes[0]?.body).toBe(schema);
  });
});
