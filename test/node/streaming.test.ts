import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HttpClient } from "../support/http-client.ts";
import { StreamClient } from "../support/stream-client.ts";
import { REPOSITORY, TempFolder } from "../support/temp-folder.ts";
import { TuttiProcess } from "../support/tutti-process.ts";
import { waitFor } from "../support/wait-for.ts";

const APP = `${import.meta.dirname}/apps/streaming.ts`;
const EVENTS = { accept: "text/event-stream" };

interface EndedStream {
  readonly name: string;
  readonly pulled: number;
  readonly aborted: string;
}

const untilEnded = (client: HttpClient, name: string): Promise<EndedStream> =>
  waitFor(async () => ((await client.get("/ended")).json as EndedStream[]).find((one) => one.name === name), {
    what: `the generator ${name} to end`,
  });

/** Both places of the generator that the ingress reads: beside it, and in another process. */
describe.each([
  ["in the same executor", "0"],
  ["in another executor", "1"],
])("streams whose source is %s", (_, apart) => {
  let node: TuttiProcess;
  let client: HttpClient;
  beforeAll(async () => {
    node = await TuttiProcess.ready(APP, { env: { TUTTI_TEST_APART: apart } });
    client = new HttpClient(node.port);
  });
  afterAll(async () => {
    client[Symbol.dispose]();
    await node.stopped();
    await node[Symbol.asyncDispose]();
  });

  test("come as lines of JSON, all of them, in their order", async () => {
    const { status, headers, text } = await client.get("/count?to=1000");
    expect(status).toBe(200);
    expect(headers["content-type"]).toBe("application/x-ndjson; charset=utf-8");
    expect(headers["x-request-id"]).toBeDefined();
    expect(headers["x-tutti-degraded"]).toBe("0");
    expect(headers["server-timing"]).toMatch(/^app;dur=.*,total;dur=/);
    const items = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(items).toEqual(Array.from({ length: 1000 }, (_, i) => ({ i: i + 1 })));
  });

  test("come as events where the client takes them, the end with what was returned", async () => {
    const { headers, text } = await client.get("/count?to=2", { headers: EVENTS });
    expect(headers["content-type"]).toBe("text/event-stream; charset=utf-8");
    expect(text).toBe(
      'id: 1\ndata: {"i":1}\n\nid: 2\ndata: {"i":2}\n\nevent: end\ndata: {"value":{"sum":3},"degraded":false}\n\n',
    );
  });

  test("of nothing have a head and an end", async () => {
    expect(await client.get("/count?to=0")).toMatchObject({ status: 200, text: "" });
    expect((await client.get("/count?to=0", { headers: EVENTS })).text).toBe(
      'event: end\ndata: {"value":{"sum":0},"degraded":false}\n\n',
    );
  });

  test("are sent item by item, as they are made", async () => {
    using stream = StreamClient.get(node.port, "/slow?everyMs=20&name=as-made", EVENTS);
    await stream.untilText("data: 1\n\n");
    await stream.untilText("data: 3\n\n");
    expect(await stream.status).toBe(200);
  });

  test("end their generator when the client goes away, its signal aborted", async () => {
    {
      using stream = StreamClient.get(node.port, "/slow?everyMs=5&name=left");
      await stream.untilText("2\n");
    }
    expect(await untilEnded(client, "left")).toMatchObject({ aborted: "Cancelled" });
  });

  test("of another deployment end it too when the client goes away", async () => {
    {
      using stream = StreamClient.get(node.port, "/flood?name=flood-left");
      await waitFor(() => stream.bytes > 1 << 20, { what: "the flood" });
    }
    const { pulled } = await untilEnded(client, "flood-left");
    expect(pulled).toBeGreaterThan(16);
  });

  test("end at their deadline by an error in their own form, on a connection that serves on", async () => {
    const headers = { "x-request-timeout-ms": "150", "x-request-id": "late-1" };
    const lines = await client.get("/slow?everyMs=10&name=late", { headers });
    expect(lines.status).toBe(200);
    const last = JSON.parse(lines.text.trimEnd().split("\n").at(-1)!);
    expect(last).toEqual({
      error: { code: "DeadlineExceeded", message: expect.any(String), requestId: "late-1" },
    });
    expect((await untilEnded(client, "late")).pulled).toBeGreaterThan(2);
    const events = await client.get("/slow?everyMs=10&name=late-too", { headers: { ...headers, ...EVENTS } });
    expect(events.text).toMatch(/\nevent: error\ndata: \{"error":\{"code":"DeadlineExceeded",.*\}\}\n\n$/);
  });

  test("that fail before their first item answer with the error's status, else by an error at their end", async () => {
    const early = await client.get("/failing?after=0&how=http");
    expect([early.status, early.json.error.code]).toEqual([409, "conflict"]);
    const unavailable = await client.get("/failing?after=0");
    expect([unavailable.status, unavailable.headers["retry-after"]]).toEqual([503, "3"]);
    const later = await client.get("/failing?after=2&how=http", { headers: EVENTS });
    expect(later.status).toBe(200);
    expect(later.text).toMatch(
      /^id: 1\ndata: 0\n\nid: 2\ndata: 1\n\nevent: error\ndata: \{"error":\{"code":"conflict","message":"it cannot be",/,
    );
  });

  test("to HEAD are a head alone", async () => {
    const { status, headers, text } = await client.send("/flood", { method: "HEAD" });
    expect([status, headers["content-type"], text]).toEqual([200, "application/x-ndjson; charset=utf-8", ""]);
  });
});

describe("a stream whose executor dies", () => {
  test("ends by PeerClosed after what had come, and is not begun again", async () => {
    await using node = await TuttiProcess.ready(APP);
    using client = new HttpClient(node.port);
    const { status, text } = await client.get("/die");
    expect(status).toBe(200);
    const [first, error, ...more] = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect([first, error.error.code, more]).toEqual(["first", "PeerClosed", []]);
    await waitFor(async () => (await client.get("/count?to=1")).status === 200, {
      what: "it to serve again",
    });
    await node.stopped();
  });
});

describe("streams at SIGTERM", () => {
  test("that end within the drain are sent whole", async () => {
    await using node = await TuttiProcess.ready(APP);
    using stream = StreamClient.get(node.port, "/bounded?items=30&everyMs=30");
    await stream.untilText("2\n");
    node.signal("SIGTERM");
    expect(await stream.ended).toBe("whole");
    expect(stream.text.trimEnd().split("\n").map(Number)).toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect((await node.ended).code, node.stderr).toBe(0);
    node.expectNothingLeft();
  });
});

describe("docs/guides/streaming.md", () => {
  test("has an example that runs, and answers as it says", async () => {
    using folder = TempFolder.withTutti();
    const guide = readFileSync(`${REPOSITORY}/docs/guides/streaming.md`, "utf8");
    const app = folder.write("app.ts", /```ts\n([\s\S]*?)```/.exec(guide)?.[1] ?? "");
    await using node = await TuttiProcess.ready(app);
    using client = new HttpClient(node.port);
    const body = { text: "one at a time" };
    const lines = await client.post("/answer", body);
    expect(lines.text).toBe('{"word":"one"}\n{"word":"at"}\n{"word":"a"}\n{"word":"time"}\n');
    const events = await client.post("/answer", body, { headers: EVENTS });
    expect(events.text).toContain(
      'id: 4\ndata: {"word":"time"}\n\nevent: end\ndata: {"value":{"words":4},"degraded":false}\n\n',
    );
    await waitFor(() => node.stdout.includes("4 words were read"), { what: "the generator's last word" });
    await node.stopped();
  });
});
