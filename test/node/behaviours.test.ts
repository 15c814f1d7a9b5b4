import { getPriority } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { identityModel, writeModel } from "../onnx/model-proto.ts";
import { HttpClient } from "../support/http-client.ts";
import { TempFolder } from "../support/temp-folder.ts";
import { TuttiProcess } from "../support/tutti-process.ts";
import { waitFor } from "../support/wait-for.ts";

const folder = new TempFolder();
let node: TuttiProcess;
let client: HttpClient;

beforeAll(async () => {
  const model = writeModel(folder.at("identity.onnx"), identityModel("float32"));
  node = await TuttiProcess.ready(`${import.meta.dirname}/apps/behaviours.ts`, {
    env: { TUTTI_TEST_MODEL: model },
  });
  client = new HttpClient(node.port);
});

afterAll(async () => {
  client[Symbol.dispose]();
  await node.stopped();
  await node[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const errorOf = (code: string, more: object = {}) => ({
  error: { code, message: expect.any(String), requestId: expect.any(String), ...more },
});

describe("executors", () => {
  test("that compute give way to those that wait, by laneNiceness", () => {
    const own = getPriority(node.pid);
    const niceness = node.executorPids.map((pid) => getPriority(pid) - own);
    // One lane, and the class that computes. The other executors are as urgent as the node.
    expect(niceness.filter((more) => more === 5)).toHaveLength(2);
    expect(niceness.filter((more) => more === 0)).toHaveLength(niceness.length - 2);
  });
});

describe("a method of the ingress class", () => {
  test("gets the body, the path's parameters, the query and the headers", async () => {
    const { json } = await client.post(
      "/echo/a%2Fb/c?x=1&x=2&y=",
      { deep: [1, { two: 2 }] },
      { headers: { "user-agent": "me" } },
    );
    expect(json).toEqual({
      body: { deep: [1, { two: 2 }] },
      params: { what: "a/b", which: "c" },
      query: { x: ["1", "2"], y: "" },
      agent: "me",
    });
  });

  test("answers null when it returns nothing", async () => {
    const { status, text } = await client.get("/nothing");
    expect([status, text]).toEqual([200, "null"]);
  });

  test("can know its request by context()", async () => {
    const { json } = await client.get("/where", { headers: { "x-request-id": "who-am-i" } });
    expect(json).toEqual({
      requestId: "who-am-i",
      replica: "Front#0",
      name: "behaviours",
      applicationVersion: "7",
      priority: 1,
      leftMs: expect.any(Number),
      aborted: false,
    });
    expect(json.leftMs).toBeGreaterThan(3000);
    expect(json.leftMs).toBeLessThanOrEqual(5000);
  });

  test("has been given its userConfig before the first request", async () => {
    expect((await client.get("/greet")).json).toEqual({ greeting: "hello" });
  });

  test("answers with a status, code and path of its own by throwing HttpError", async () => {
    const { status, json } = await client.get("/refuse");
    expect(status).toBe(418);
    expect(json).toEqual(errorOf("teapot", { message: "short and stout", path: "body.leaves" }));
  });

  test("that throws is a 500 whose message only the log has, by the request's id", async () => {
    const { status, json, text } = await client.get("/fail", { headers: { "x-request-id": "find-me" } });
    expect(status).toBe(500);
    expect(json).toEqual(errorOf("ApplicationError", { requestId: "find-me" }));
    expect(text).not.toContain("hunter2");
    const line = await waitFor(() => node.stderr.split("\n").find((one) => one.includes("hunter2")), {
      what: "a log line",
    });
    expect(line).toContain("find-me");
  });
});

describe("a batched method", () => {
  test("is given the inputs of many callers at once, up to its limit, and each caller gets its own result", async () => {
    const inputs = Array.from({ length: 40 }, (_, index) => index + 100);
    const answers = await Promise.all(inputs.map((x) => client.post("/double", { x })));
    expect(answers.map(({ json }) => json.value)).toEqual(inputs.map((x) => 2 * x));
    const sizes = answers.map(({ json }) => json.batchSize);
    expect(Math.max(...sizes)).toBe(8);
  });

  test("that throws for one input fails that input alone", async () => {
    const inputs = [11, 12, 13, 14, 15];
    const answers = await Promise.all(inputs.map((x) => client.post("/double", { x })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 500, 200, 200]);
    expect(answers[4]?.json.value).toBe(30);
  });
});

describe("a class that computes", () => {
  test("has a process of its own, and while it computes others are answered", async () => {
    const burning = client.get("/burn?ms=1000");
    let answeredMeanwhile = 0;
    let isDone = false;
    const done = burning.then(() => (isDone = true));
    while (!isDone) {
      await client.get("/greet");
      if (!isDone) answeredMeanwhile += 1;
    }
    await done;
    const { json } = await burning;
    expect(json.burner).not.toBe(json.own);
    expect(node.executorPids).toEqual(expect.arrayContaining([json.burner, json.own]));
    // Behind the one that computes, one would be answered when that is done.
    expect(answeredMeanwhile).toBeGreaterThan(2);
  });
});

describe("a deadline", () => {
  test("of one call is set on its handle", async () => {
    const { json } = await client.get("/short-leash");
    expect(json.code).toBe("DeadlineExceeded");
    expect(json.afterMs).toBeGreaterThanOrEqual(45);
    expect(json.afterMs).toBeLessThan(3000);
  });

  test("of a request is set by x-request-timeout-ms: 504 then, and the method's signal is aborted", async () => {
    const headers = { "x-request-timeout-ms": "150", "x-request-id": "in-a-hurry" };
    const { status, json, latencyMs } = await client.get("/sleep?ms=4000", { headers });
    expect(status).toBe(504);
    expect(json).toEqual(errorOf("DeadlineExceeded"));
    expect(latencyMs).toBeGreaterThanOrEqual(140);
    expect(latencyMs).toBeLessThan(4000);
    const reason = await waitFor(
      async () =>
        (await client.get("/sleepers")).json.aborted.find(
          (one: { requestId: string }) => one.requestId === "in-a-hurry",
        ),
      { what: "the method to see its signal" },
    );
    expect(["DeadlineExceeded", "Cancelled"]).toContain(reason.reason);
  });

  test("that a client asks for cannot be longer than the application's", async () => {
    const { json } = await client.get("/where", { headers: { "x-request-timeout-ms": "600000" } });
    expect(json.leftMs).toBeLessThanOrEqual(5000);
  });

  test("gives the route's fallback where it has one, even if the method does not listen to its signal", async () => {
    const headers = { "x-request-timeout-ms": "100", "x-request-id": "too-late" };
    const { status, json, headers: answered } = await client.get("/ignore?ms=1500", { headers });
    expect(status).toBe(200);
    expect(json).toEqual({ spare: true, reason: "deadline", id: "too-late" });
    expect(answered["x-tutti-degraded"]).toBe("1");
  });

  test.each(["0", "-5", "soon", "Infinity"])("of %s is refused with 400", async (value) => {
    const { status, json } = await client.get("/greet", { headers: { "x-request-timeout-ms": value } });
    expect(status).toBe(400);
    expect(json).toEqual(errorOf("InvalidArgument", { path: "headers.x-request-timeout-ms" }));
  });
});

describe("a client that goes away", () => {
  test("aborts the signal of the method that works for it", async () => {
    const leaving = new AbortController();
    const headers = { "x-request-id": "gone-girl" };
    const request = client.get("/sleep?ms=4000", { headers, signal: leaving.signal });
    await waitFor(async () => (await client.get("/sleepers")).json.sleeping === 1, {
      what: "the method to run",
    });
    leaving.abort();
    await expect(request).rejects.toThrow();
    const { json } = await waitFor(
      async () => {
        const answer = await client.get("/sleepers");
        return answer.json.sleeping === 0 ? answer : undefined;
      },
      { what: "the method to end", timeoutMs: 2000 },
    );
    expect(json.aborted).toContainEqual({ requestId: "gone-girl", reason: "Cancelled" });
  });
});

describe("a deployment that has all the calls it takes", () => {
  test("refuses more at once with 503 and Retry-After, and those it has are answered", async () => {
    const before = (await client.get("/charges")).json.charges;
    const inOrder: number[] = [];
    const charge = async () => {
      const answer = await client.send("/charge?ms=1500", { method: "POST" });
      inOrder.push(answer.status);
      return answer;
    };
    const answers = await Promise.all(Array.from({ length: 12 }, charge));
    const admitted = answers.filter(({ status }) => status === 200);
    const refused = answers.filter(({ status }) => status === 503);
    expect(admitted.map(({ json }) => json)).toEqual(Array(4).fill("through"));
    expect(refused).toHaveLength(8);
    expect(inOrder.slice(0, 8)).toEqual(Array(8).fill(503));
    for (const { json, headers } of refused) {
      expect(json).toEqual(errorOf("Overloaded"));
      expect(Number(headers["retry-after"])).toBeGreaterThanOrEqual(1);
    }
    // D3: the method had begun, and it is not idempotent. That what it called was refused is no reason to run it again.
    expect((await client.get("/charges")).json.charges - before).toBe(12);
  });
});

describe("a deployment that takes one call at a time", () => {
  test("takes that one", async () => {
    for (let i = 0; i < 3; i++) expect((await client.get("/single")).json).toBe("alone");
  });
});

describe("a wrong tensor", () => {
  test.each([
    ["too few columns", { dims: [1, 2] }, ["identity", "x", "3", "2"]],
    ["too many axes", { dims: [1, 3, 1] }, ["identity", "x"]],
    ["another type", { dims: [1, 3], type: "float64" }, ["identity", "x", "float32", "float64"]],
    ["another name", { dims: [1, 3], name: "z" }, ["identity", "x", "z"]],
    ["no rows", { dims: [0, 3] }, ["identity", "x", "rows"]],
  ])("with %s is a 400 that says what was expected and what came", async (_, body, words) => {
    const { status, json } = await client.post("/predict", body);
    expect(status).toBe(400);
    expect(json).toEqual(errorOf("TensorMismatch", { path: expect.stringMatching(/^inputs\./) }));
    for (const word of words) expect(json.error.message).toContain(word);
  });

  test("is a 400 too when it is no tensor at all", async () => {
    const { status, json } = await client.get("/mixed-up");
    expect(status).toBe(400);
    expect(json).toEqual(errorOf("TensorMismatch"));
  });

  test("does not disturb the right ones sent at the same time", async () => {
    const bodies = Array.from({ length: 60 }, (_, index) => ({
      dims: [index % 3 === 0 ? 2 : 1, index % 2 === 0 ? 3 : 4],
    }));
    const answers = await Promise.all(bodies.map((body) => client.post("/predict", body)));
    answers.forEach(({ status, json }, index) => {
      const { dims } = bodies[index]!;
      if (dims[1] === 3) expect(json).toEqual({ dims, first: 0.5 });
      else expect(status).toBe(400);
    });
  });
});

describe("what cannot be sent", () => {
  test.each(["/bigint", "/circular", "/function"])(
    "as JSON is a 500 of the application, at %s",
    async (path) => {
      const { status, json } = await client.get(path);
      expect(status).toBe(500);
      expect(json).toEqual(errorOf("ApplicationError"));
    },
  );

  test.each(["/from-afar", "/to-afar"])(
    "to another process is a NotSerialisable, at %s, and both go on",
    async (path) => {
      const { status, json } = await client.get(path);
      expect(status).toBe(500);
      expect(json).toEqual(errorOf("NotSerialisable"));
      expect((await client.get("/burn?ms=1")).status).toBe(200);
    },
  );
});

describe("an ingress class with fetch", () => {
  let web: TuttiProcess;
  let browser: HttpClient;

  beforeAll(async () => {
    web = await TuttiProcess.ready(`${import.meta.dirname}/apps/fetching.ts`);
    browser = new HttpClient(web.port);
  });

  afterAll(async () => {
    browser[Symbol.dispose]();
    await web.stopped();
    await web[Symbol.asyncDispose]();
  });

  test("gets the request as the web has it", async () => {
    const headers = { "x-shade": "blue", "x-request-id": "r-1", "content-type": "text/plain" };
    const { json } = await browser.send("/web/echo?a=1", { method: "PUT", body: "héllo", headers });
    expect(json).toEqual({
      method: "PUT",
      query: { a: "1" },
      header: "blue",
      body: "héllo",
      requestId: "r-1",
    });
  });

  test("answers with status, headers and every cookie of its response", async () => {
    const { status, headers, text } = await browser.get("/web/cookies");
    expect([status, text]).toEqual([201, "created"]);
    expect(headers["x-made-by"]).toBe("hand");
    expect(headers["location"]).toBe("/web/echo");
    expect(headers["set-cookie"]).toEqual(["a=1; Path=/", "b=2; Path=/"]);
    expect(headers["content-type"]).toBe("text/plain;charset=UTF-8");
  });

  test("may answer without a body, with bytes, and with a stream", async () => {
    const empty = await browser.get("/web/empty");
    expect([empty.status, empty.text, empty.headers["content-type"]]).toEqual([204, "", undefined]);
    const { headers } = await browser.get("/web/bytes");
    expect([headers["content-type"], headers["content-length"]]).toEqual(["image/x-dots", "3"]);
    expect((await browser.get("/web/stream")).text).toBe("one two three");
  });

  test("answers its own 404, and the edge that of other paths", async () => {
    expect((await browser.get("/web/nowhere")).text).toBe("no such page");
    expect((await browser.get("/elsewhere")).json).toEqual(errorOf("NotFound"));
  });

  test("that returns no Response is a 500 of the application", async () => {
    const { status, json } = await browser.get("/web/wrong");
    expect(status).toBe(500);
    expect(json).toEqual(errorOf("ApplicationError"));
  });

  test("and no models runs in one code executor, with one spare beside it", () => {
    expect(web.executors).toHaveLength(2);
  });
});
