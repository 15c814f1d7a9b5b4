/** The desired state over the admin API. */
import { symlinkSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { resolveAdminOptions } from "../../src/admin/admin-options.ts";
import { AdminServer } from "../../src/admin/admin-server.ts";
import { ApplicationsDesk } from "../../src/admin/applications-desk.ts";
import { TuttiError } from "../../src/errors/tutti-error.ts";
import { DEFAULT_TRAFFIC } from "../../src/policy/desired-state.ts";
import { HttpClient } from "../support/http-client.ts";
import { TempFolder } from "../support/temp-folder.ts";
import { FakeSource } from "./fake-source.ts";
import { FaultyStore } from "./faulty-store.ts";

const PATH = "/api/applications";
const TOKEN = "a-token-of-some-length";
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function start(options: { readonly token?: string } = {}) {
  const folder = new TempFolder();
  folder.write("modules/offers.ts", "");
  folder.write("modules/racer.ts", "");
  folder.write("outside.ts", "");
  const store = new FaultyStore();
  const modulesDirectory = folder.at("modules");
  const settings = { http: { port: 8000 }, node: { lanes: 2 } };
  const desk = new ApplicationsDesk({ store, modulesDirectory, settings });
  const logged: object[] = [];
  const log = { error: (fields: object) => void logged.push(fields) };
  const server = new AdminServer(resolveAdminOptions({ port: 0, ...options }), new FakeSource(), log, desk);
  const client = new HttpClient((await server.start()).port);
  closing.push(
    () => folder[Symbol.dispose](),
    () => server.close(),
    () => client[Symbol.dispose](),
  );
  const put = (applications: unknown, ifMatch: string | undefined = "*", query = "") =>
    client.send(`${PATH}${query}`, {
      method: "PUT",
      body: { applications },
      headers: ifMatch === undefined ? {} : { "if-match": ifMatch },
    });
  const get = () => client.get(PATH);
  return { folder, store, client, put, get, logged };
}

const OFFERS = { name: "offers", module: "offers.ts", version: "v1" };
const RACER = { name: "racer", module: "racer.ts" };

describe("GET /api/applications", () => {
  it("tells what is wanted, with an etag, and what the node was started with", async () => {
    const { get, put, folder } = await start();
    const empty = await get();
    expect([empty.status, empty.headers["etag"]]).toEqual([200, '"0"']);
    expect(empty.json).toEqual({
      revision: 0,
      applications: [],
      notes: {},
      settings: { http: { port: 8000 }, node: { lanes: 2 } },
    });
    await put([OFFERS]);
    const { json, headers } = await get();
    expect(headers["etag"]).toBe('"1"');
    expect(json.applications).toEqual([
      {
        name: "offers",
        module: folder.at("modules/offers.ts"),
        args: {},
        version: "v1",
        traffic: DEFAULT_TRAFFIC,
        deployments: {},
      },
    ]);
    expect(json.notes).toEqual({ offers: { history: [] } });
  });

  it("tells what PUT takes: put back, nothing changes", async () => {
    const { get, put, store } = await start();
    await put([
      OFFERS,
      { ...RACER, deployments: { "*": { replicas: { min: 1, max: 3 }, userConfig: { a: [1] } } } },
    ]);
    const { json, headers } = await get();
    const again = await put(json.applications, headers["etag"]);
    expect(again.json).toEqual({ revision: 1, isDryRun: false, changes: [] });
    expect(store.writes).toBe(1);
  });

  it("tells what was there before, for who wants to go back", async () => {
    const { get, put } = await start();
    await put([OFFERS]);
    await put([{ ...OFFERS, version: "v2" }]);
    const { notes } = (await get()).json;
    expect(notes.offers.history).toEqual([expect.objectContaining({ version: "v1" })]);
  });
});

describe("PUT /api/applications", () => {
  it("stores what is wanted and says what has changed by that", async () => {
    const { put, store } = await start();
    const first = await put([OFFERS], '"0"');
    expect([first.status, first.headers["etag"]]).toEqual([200, '"1"']);
    expect(first.json).toMatchObject({ revision: 1, isDryRun: false, changes: [{ kind: "added" }] });
    const second = await put(
      [{ ...OFFERS, version: "v2", deployments: { m1: { replicas: 2 } } }, RACER],
      '"1"',
    );
    expect(second.json.changes).toMatchObject([
      { kind: "version", from: { version: "v1" }, to: { version: "v2" } },
      { kind: "option", deployment: "m1", option: "replicas", to: 2, effect: "inPlace" },
      { kind: "added", application: "racer" },
    ]);
    expect((await store.read()).applications.map(({ name }) => name)).toEqual(["offers", "racer"]);
  });

  it.each(["?dryRun", "?dryRun=1", "?dryRun=true"])("with %s only says what would change", async (query) => {
    const { put, store } = await start();
    const { status, json, headers } = await put([OFFERS], '"0"', query);
    expect([status, headers["etag"]]).toEqual([200, '"0"']);
    expect(json).toMatchObject({ revision: 0, isDryRun: true, changes: [{ kind: "added" }] });
    expect(store.writes).toBe(0);
  });

  it("of two writers that have read one state lets one succeed, and tells the other one so (412)", async () => {
    const { put, store } = await start();
    const answers = [await put([OFFERS], '"0"'), await put([RACER], '"0"')];
    expect(answers.map(({ status }) => status)).toEqual([200, 412]);
    expect(answers[1]?.json.error).toMatchObject({
      code: "RevisionConflict",
      message: expect.stringContaining("expected revision 0, found 1"),
    });
    expect((await store.read()).applications.map(({ name }) => name)).toEqual(["offers"]);
  });

  it("tells who was overtaken while writing (409); twenty at once store one state", async () => {
    const { put, store } = await start();
    store.beforeWrite = () => put([RACER]);
    const late = await put([OFFERS], '"0"');
    expect([late.status, late.json.error.code]).toEqual([409, "RevisionConflict"]);
    const writes = store.writes;
    const racing = await Promise.all(
      Array.from({ length: 20 }, (_, i) => put([{ ...OFFERS, version: `r${i}` }], '"1"')),
    );
    expect(racing.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status } of racing) expect([200, 409, 412]).toContain(status);
    expect((await store.read()).revision).toBe(2);
    expect(store.writes).toBeGreaterThan(writes);
  });

  it.each([[undefined], ["1"], ['W/"1"'], ["nonsense"]])("wants an etag: not %s (428)", async (ifMatch) => {
    const { client, store } = await start();
    const headers = ifMatch === undefined ? {} : { "if-match": ifMatch };
    const { status, json } = await client.send(PATH, { method: "PUT", body: { applications: [] }, headers });
    expect([status, json.error.path]).toEqual([428, "headers.if-match"]);
    expect(store.writes).toBe(0);
  });

  it("tells everything that is wrong at once, by path, and changes nothing", async () => {
    const { put, store, folder } = await start();
    const { status, json } = await put([
      { ...OFFERS, versoin: "v2", deployments: { m1: { replicas: 0 } } },
      { name: "racer", module: "../outside.ts" },
      { name: "gone", module: "gone.ts" },
    ]);
    expect([status, json.error.code]).toEqual([400, "InvalidOptions"]);
    const beneath = `a module beneath ${folder.at("modules")} (the node's --modules-dir)`;
    expect(json.error.faults).toEqual([
      {
        path: "applications[0].deployments.m1.replicas",
        expected: "a whole number from 1 to 4096",
        found: "0",
      },
      {
        path: "applications[0].versoin",
        expected: "one of name, module, args, route, version, traffic, deployments",
        found: "an unknown key",
      },
      {
        path: "applications[2].module",
        expected: beneath,
        found: `${folder.at("modules/gone.ts")}, which cannot be read (ENOENT)`,
      },
      {
        path: "applications[1].module",
        expected: beneath,
        found: `${folder.at("outside.ts")}, which is not`,
      },
    ]);
    expect(store.writes).toBe(0);
  });

  it("tells no more faults than somebody could mend, and how many more there are", async () => {
    const { client } = await start();
    const body = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`unknown${i}`, 1]));
    const { status, json } = await client.send(PATH, { method: "PUT", body, headers: { "if-match": "*" } });
    expect([status, json.error.faults.length]).toEqual([400, 100]);
    expect(json.error.message).toMatch(/^the body cannot be taken: 20000 things are wrong\n/);
    expect(json.error.message).toMatch(/\n {2}and 19900 more$/);
  });

  it("takes no more names and patterns than can be matched with every deployment", async () => {
    const { put } = await start();
    const deployments = Object.fromEntries(
      Array.from({ length: 1001 }, (_, i) => [`m${i}*`, { replicas: 1 }]),
    );
    const { json } = await put([{ ...OFFERS, deployments }]);
    expect(json.error.message).toContain("deployments: expected at most 1000 names and patterns, found 1001");
  });

  it("does not follow a link out of the modules' directory, wherever it is absolute or relative", async () => {
    const { put, folder, store } = await start();
    symlinkSync(folder.at("outside.ts"), folder.at("modules/link.ts"));
    for (const module of ["link.ts", folder.at("modules/link.ts"), folder.at("outside.ts"), "/etc/passwd"]) {
      const { status, json } = await put([{ name: "evil", module }]);
      expect([status, json.error.faults.length]).toEqual([400, 1]);
    }
    expect(store.writes).toBe(0);
  });

  it("lets stay what the node was started with, wherever its module is", async () => {
    const { put, folder, store } = await start();
    const elsewhere = {
      ...OFFERS,
      module: folder.at("outside.ts"),
      args: {},
      traffic: DEFAULT_TRAFFIC,
      deployments: {},
    };
    await store.compareAndSet(0, [{ ...elsewhere, history: [] }]);
    expect((await put([elsewhere, RACER])).status).toBe(200);
    expect((await put([{ ...elsewhere, name: "other" }])).status).toBe(400);
  });

  it.each([
    ["{ not json", 400, "MalformedJson", "body"],
    ["null", 400, "InvalidOptions", undefined],
    ["[]", 400, "InvalidOptions", undefined],
    ["{}", 400, "InvalidOptions", "applications"],
    ['{"applications":{}}', 400, "InvalidOptions", "applications"],
    ['{"applications":[],"http":{"port":1}}', 400, "InvalidOptions", "http"],
    [
      '{"applications":[{"name":"a","module":"a.ts","args":{"__proto__":1}}]}',
      400,
      "InvalidOptions",
      "applications[0].args.__proto__",
    ],
    [`{"applications":${"[".repeat(5000)}${"]".repeat(5000)}}`, 400, "InvalidOptions", undefined],
    [" ".repeat(1024 * 1024 + 1), 413, "PayloadTooLarge", "body"],
  ])("refuses the body %.40s with %d %s", async (body, status, code, path) => {
    const { client, store, logged } = await start();
    const headers = { "if-match": "*", "content-type": "application/json" };
    const answer = await client.send(PATH, { method: "PUT", body, headers });
    expect([answer.status, answer.json.error.code]).toEqual([status, code]);
    if (path !== undefined) expect(answer.json.error.path).toBe(path);
    expect([store.writes, logged]).toEqual([0, []]);
  });

  it("wants JSON, by its type (415)", async () => {
    const { client } = await start();
    for (const type of ["text/plain", "application/yaml", "application/x-www-form-urlencoded"]) {
      const headers = { "if-match": "*", "content-type": type };
      const answer = await client.send(PATH, { method: "PUT", body: "{}", headers });
      expect([answer.status, answer.json.error.code]).toEqual([415, "UnsupportedMediaType"]);
    }
  });

  it("is behind the guard: no token, no change, and no body is read", async () => {
    const { client, store } = await start({ token: TOKEN });
    const body = { applications: [OFFERS] };
    const send = (headers: Record<string, string>) =>
      client.send(PATH, { method: "PUT", body, headers: { "if-match": "*", ...headers } });
    const stranger = await send({});
    expect([stranger.status, stranger.headers["connection"]]).toEqual([401, "close"]);
    expect(store.writes).toBe(0);
    expect((await send({ authorization: `Bearer ${TOKEN}` })).status).toBe(200);
  });

  it("is not for pages of other sites, which have no preflight answered and may not use their own name", async () => {
    const { client, store } = await start();
    const preflight = await client.send(PATH, {
      method: "OPTIONS",
      headers: { origin: "http://evil.example" },
    });
    expect([preflight.status, preflight.headers["access-control-allow-origin"]]).toEqual([405, undefined]);
    const headers = { host: "evil.example", "if-match": "*" };
    const rebound = await client.send(PATH, { method: "PUT", body: { applications: [OFFERS] }, headers });
    expect([rebound.status, store.writes]).toEqual([403, 0]);
  });

  it.each([
    ["StoreFull", 507],
    ["StoreFailed", 503],
    ["StoreDamaged", 500],
  ] as const)("whose store says %s is %d, and what was there is there", async (code, status) => {
    const { put, get, store } = await start();
    await put([OFFERS]);
    store.writeFailure = new TuttiError(code, "/state.json: the disk says no");
    const { json, ...answer } = await put([RACER]);
    expect([answer.status, json.error.code, json.error.message]).toEqual([
      status,
      code,
      "/state.json: the disk says no",
    ]);
    expect((await get()).json.applications).toMatchObject([{ name: "offers" }]);
    store.readFailure = store.writeFailure;
    expect((await get()).status).toBe(status);
    expect((await put([RACER])).status).toBe(status);
  });

  it("and GET are the only methods there", async () => {
    const { client } = await start();
    for (const method of ["POST", "DELETE", "PATCH"]) {
      const { status, headers } = await client.send(PATH, { method });
      expect([status, headers["allow"]]).toEqual([405, "GET, HEAD, PUT"]);
    }
  });
});

describe("a node that keeps no desired state", () => {
  it("says so", async () => {
    const server = new AdminServer(resolveAdminOptions({ port: 0 }), new FakeSource(), { error: () => {} });
    const client = new HttpClient((await server.start()).port);
    closing.push(
      () => server.close(),
      () => client[Symbol.dispose](),
    );
    const answers = [
      await client.get(PATH),
      await client.send(PATH, { method: "PUT", body: { applications: [] }, headers: { "if-match": "*" } }),
    ];
    for (const { status, json } of answers) {
      expect([status, json.error.code]).toEqual([404, "NotFound"]);
      expect(json.error.message).toContain("tutti start");
    }
  });
});
