import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { MARK, markedPids } from "../support/processes.ts";
import { TempFolder } from "../support/temp-folder.ts";
import { tutti } from "../support/tutti-command.ts";
import { TuttiProcess } from "../support/tutti-process.ts";

const APP = `
import { application, deployment, HttpError } from "tutti";
class Echo {
  ask(body, { params }) {
    if (params.what === "refuse") throw new HttpError(422, "refused", "as asked");
    return { got: body };
  }
}
export default application({
  name: "echo", route: "/echo", ingress: deployment(Echo).bind(),
  http: { "POST /:what": "ask", "GET /": "ask" },
});
`;
const SMALL = ["--lanes", "1", "--code-executors", "1", "--spares", "0"];
const SHORT = ["--duration-s", "0.5", "--warmup-s", "0.2"];

describe("tutti bench of a module", () => {
  it("starts it, measures an open loop, says so with 0, and leaves nothing running", async () => {
    using folder = TempFolder.withTutti();
    const app = folder.write("app.js", APP);
    const requests = folder.write(
      "requests.jsonl",
      '{"body":{"n":1}}\n\n{"path":"/echo/other","method":"POST","headers":{"X-Request-Timeout-Ms":"900"},"body":"[2]"}\n',
    );
    const asked = ["bench", app, "--path", "/echo/this", "--requests", requests, "--rate", "200"];
    const { code, stdout, stderr } = await tutti(
      [...asked, ...SHORT, "--deadline-ms", "1000", "--json", "--", ...SMALL],
      { env: { [MARK]: folder.path } },
    );
    expect(stderr).toContain("2 requests in turn at http://127.0.0.1:");
    expect(code, stderr).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({
      load: { kind: "open", ratePerSecond: 200 },
      ended: "complete",
      differentRequests: 2,
      deadlineMs: 1000,
      failed: 0,
      degraded: 0,
      errors: {},
    });
    expect(result.ok).toBeGreaterThan(0);
    expect(result.statuses).toEqual({ 200: result.ok });
    expect(result.inTime).toBeLessThanOrEqual(result.ok);
    expect(result.latency.count).toBe(result.ok);
    expect(result.latency.p50Ms).toBeLessThanOrEqual(result.latency.p95Ms);
    expect(result.latency.p95Ms).toBeLessThanOrEqual(result.latency.maxMs);
    expect(result.causes[0]).toMatchObject({ kind: "slow", line: expect.stringContaining("echo") });
    expect(markedPids(folder.path)).toEqual([]);
  });

  it("ends with the code of tutti run, which has said why, when it cannot be started", async () => {
    using folder = TempFolder.withTutti();
    const broken = folder.write("app.js", "export default application(;\n");
    const { code, stdout, stderr } = await tutti(["bench", broken, ...SHORT, "--", ...SMALL]);
    expect([code, stdout]).toEqual([3, ""]);
    expect(stderr).toContain("app.js");
    expect((await tutti(["bench", folder.at("none.js")])).code).toBe(3);
  });
});

describe("tutti bench of a URL", () => {
  it("keeps so many clients busy, and tells errors by status and what the flight recorder has", async () => {
    using folder = TempFolder.withTutti();
    await using node = await TuttiProcess.ready(folder.write("app.js", APP), {
      args: ["--port", "0", ...SMALL],
    });
    const requests = folder.write("requests.jsonl", '{}\n{"path":"/echo/refuse","body":"{}"}\n');
    const url = `http://127.0.0.1:${node.port}/echo`;
    const admin = ["--admin-url", `http://127.0.0.1:${node.adminPort}`];
    const asked = ["bench", url, "--requests", requests, "--connections", "4", ...SHORT];
    const { code, stdout } = await tutti([...asked, ...admin]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^4 connections, 0\.\d s: [\d.]+ answers\/s; [\d,]+ ok, [\d,]+ failed \(\d+\.\d %\), 0 degraded\n/,
    );
    expect(stdout).toMatch(/\n {2}latency {3}p50 .* ms, p95 .* ms, p99 .* ms, max .* ms\n/);
    expect(stdout).toMatch(/\n {2}statuses {2}200: [\d,]+\n {12}422: [\d,]+\n/);
    expect(stdout).toMatch(/\nwhy, by the flight recorder\n {2}slowest {3}\d+ of \d+.*: [Ee]cho /);
    await node.stopped();
  });

  it("finds the flight recorder of a node on this machine by itself, whatever its admin port is", async () => {
    using folder = TempFolder.withTutti();
    await using node = await TuttiProcess.ready(folder.write("app.js", APP), {
      args: ["--port", "0", ...SMALL],
    });
    const url = `http://localhost:${node.port}/echo`;
    const { code, stdout } = await tutti(["bench", url, ...SHORT], {
      env: { TMPDIR: path.dirname(node.socketFolder) },
    });
    expect(code).toBe(0);
    expect(stdout).toMatch(/\nwhy, by the flight recorder\n {2}slowest {3}\d+ of \d+.*: [Ee]cho /);
    await node.stopped();
  });

  it("counts from when a request was meant to be sent: a stall is in the latencies of all that came meanwhile", async () => {
    let asked = 0;
    const stalling = await listening(
      createServer((_, response) => {
        asked += 1;
        const at = asked;
        // One connection alone: while it waits, so does everybody.
        setTimeout(() => response.setHeader("x-tutti-degraded", at % 2).end("{}"), at === 20 ? 400 : 0);
      }),
    );
    const url = `http://127.0.0.1:${portOf(stalling)}/`;
    const open = [
      "bench",
      url,
      "--rate",
      "100",
      "--max-connections",
      "1",
      "--duration-s",
      "1",
      "--warmup-s",
      "0",
    ];
    // What is waited for at most is not waited for when all is answered: ten minutes, here.
    const { code, stdout } = await tutti([...open, "--deadline-ms", "600000", "--json"]);
    stalling.close();
    expect(code).toBe(0);
    const { latency, degraded, ok, causes } = JSON.parse(stdout);
    expect(latency.maxMs).toBeGreaterThanOrEqual(400);
    // About 40 of 100 arrived in those 400 ms. Counted from when they were sent, one alone would have been slow.
    expect(latency.p95Ms).toBeGreaterThan(100);
    expect(degraded).toBeGreaterThan(0);
    expect(degraded).toBeLessThan(ok);
    expect(causes).toBeNull();
  });

  it("measures nothing where nothing answers, with 7, or the first answer is an error, with 1", async () => {
    const failing = await listening(
      createServer((_, response) => {
        response.statusCode = 404;
        response.end('{"error":{"code":"NotFound"}}');
      }),
    );
    const url = `http://127.0.0.1:${portOf(failing)}`;
    const refused = await tutti(["bench", url, ...SHORT]);
    failing.closeAllConnections();
    await new Promise((resolve) => failing.close(resolve));
    expect([refused.code, refused.stdout]).toEqual([1, ""]);
    expect(refused.stderr).toContain(
      'was answered with 404, so nothing is measured: {"error":{"code":"NotFound"}}',
    );
    const nobody = await tutti(["bench", url, ...SHORT]);
    expect([nobody.code, nobody.stdout]).toEqual([7, ""]);
    expect(nobody.stderr).toContain("ECONNREFUSED");
  });

  it("says what was measured until then when nothing is answered any more, with 1", async () => {
    let asked = 0;
    const silent = await listening(
      createServer((_, response) => {
        asked += 1;
        if (asked === 1) response.end("{}");
      }),
    );
    const { code, stdout } = await tutti([
      "bench",
      `http://127.0.0.1:${portOf(silent)}/`,
      "--connections",
      "2",
      ...SHORT,
      "--json",
    ]);
    silent.closeAllConnections();
    silent.close();
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: 0,
      failed: 2,
      errors: { "no answer within 5000 ms after the end": 2 },
    });
  });
});

describe("tutti bench refuses", () => {
  it.each([
    [["--rate", "0"], "expected a number from 0.01 to 100000"],
    [["--rate", "100000", "--duration-s", "3600"], "expected at most 20,000,000 requests in all"],
    [["--connections", "3", "--rate", "3"], "--connections: it cannot be given together with --rate"],
    [["--body", "@/nowhere/body.json"], "--body: ENOENT"],
    [["--header", "nothing"], '--header: expected "name: value", found "nothing"'],
    [["--header", "content-length: 3"], "the header content-length is set by the load itself"],
    [["--method", "HEAD"], 'expected a method of GET, POST, PUT, PATCH, DELETE, found "HEAD"'],
    [["--path", "scores"], 'expected a path that begins with / and has no spaces, found "scores"'],
    [["--", "--lanes", "2"], "--lanes: flags after -- are for a node that is started here"],
  ])("%j, naming the option, with 2", async (args, message) => {
    const { code, stderr } = await tutti(["bench", "http://127.0.0.1:1/", ...args]);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });

  it.each([
    ['{"path":"/"}\n{"url":"/"}', ":2: unknown key url; known: path, method, headers, body"],
    ["{", ":1: expected a request as a JSON object in one line, found {"],
    ['{"headers":{"a":1}}', ':1: expected headers as an object of texts, found {"a":1}'],
    ["\n", "has no line with a request"],
  ])("the requests %j, naming the line, with 2", async (text, message) => {
    using folder = new TempFolder();
    const file = folder.write("requests.jsonl", text);
    const { code, stderr } = await tutti(["bench", "http://127.0.0.1:1/", "--requests", file]);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });
});

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

function listening(server: Server): Promise<Server> {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}
