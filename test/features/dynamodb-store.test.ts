import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { BatchingStore } from "../../src/features/batching-store.ts";
import { CachingStore } from "../../src/features/caching-store.ts";
import { DefaultingStore } from "../../src/features/defaulting-store.ts";
import type { DynamoDbStoreOptions } from "../../src/features/dynamodb-options.ts";
import { DynamoDbStore } from "../../src/features/dynamodb-store.ts";
import { describeFeatureStore } from "../../src/features/feature-store.conformance.ts";
import type { FeatureEntry, FeatureRows } from "../../src/features/feature-store.ts";
import { openFeatureStore } from "../../src/features/open-feature-store.ts";
import { DynaliteServer, testCredentials } from "./dynalite-server.ts";
import { type Fault, FaultProxy } from "./fault-proxy.ts";

let server: DynaliteServer;
beforeAll(async () => {
  server = await DynaliteServer.start();
});
afterAll(() => server.close());

let tables = 0;
async function newTable(keyAttribute?: string): Promise<string> {
  const name = `features-${++tables}`;
  await server.createTable(name, keyAttribute);
  return name;
}

const direct = (table: string): DynamoDbStoreOptions => ({
  table,
  endpoint: `http://127.0.0.1:${server.port}`,
  region: "us-east-1",
  credentials: testCredentials,
  consistentRead: true,
  // dynalite shares two cores with the test: slowness is not what these tests are about.
  attemptTimeoutMs: 20_000,
});
const openDirect = async () => DynamoDbStore.open(direct(await newTable()));

describeFeatureStore("DynamoDbStore over dynalite", openDirect, { propertyRuns: 15 });
describeFeatureStore(
  "DynamoDbStore over dynalite, under all decorators",
  async () => {
    const batching = new BatchingStore(await openDirect(), { maxBatchKeys: 40 });
    return new DefaultingStore(new CachingStore(batching), { vector: Float32Array.of(-1) });
  },
  { propertyRuns: 15 },
);

const within = (ms: number) => ({ deadlineMs: performance.now() + ms });
const values = (rows: FeatureRows) => rows.map((row) => row?.vector[0]);
const keys = (count: number) => Array.from({ length: count }, (_, index) => `player-${index}`);
const entries = (count: number): FeatureEntry[] =>
  keys(count).map((key, index) => ({ key, vector: Float32Array.of(index) }));
const throttled: Fault = { kind: "error", name: "ProvisionedThroughputExceededException" };

describe("DynamoDbStore behind a network that fails", () => {
  let table: string;
  let proxy: FaultProxy;
  let store: DynamoDbStore;

  beforeEach(async () => {
    table = await newTable();
    proxy = await FaultProxy.start(server.port);
    const loader = await DynamoDbStore.open(direct(table));
    await loader.put(entries(30));
    await loader.close();
    store = await DynamoDbStore.open({ ...direct(table), endpoint: proxy.endpoint, firstRetryDelayMs: 1 });
  });
  afterEach(async () => {
    await store.close();
    await proxy.close();
  });

  const faults: readonly [string, Fault][] = [
    ["throttled as the table's throughput is exceeded", throttled],
    ["throttled as the account is", { kind: "error", name: "ThrottlingException" }],
    ["answered with an internal error", { kind: "error", name: "InternalServerError", status: 500 }],
    ["answered that the service is unavailable", { kind: "error", name: "ServiceUnavailable", status: 503 }],
    ["cut off before the answer", { kind: "cut" }],
    ["cut off in the middle of the answer", { kind: "cutMidBody" }],
    ["answered with garbage", { kind: "body", body: Buffer.from([0, 255, 1, 254, 123, 34]) }],
    ["answered with HTML", { kind: "body", body: "<html><body>Bad gateway</body></html>" }],
    ["answered with JSON of something else", { kind: "body", body: "{}" }],
    ["answered with nothing", { kind: "body", body: "" }],
    ["left unprocessed", { kind: "unprocessed", process: 0 }],
  ];

  it.each(faults)("gives the right rows after attempts that were %s (F1)", async (_, fault) => {
    proxy.script(fault, fault);
    expect(values(await store.get(["player-3", "nobody", "player-29"], within(20_000)))).toEqual([
      3,
      undefined,
      29,
    ]);
    expect(proxy.requests).toHaveLength(3);
  });

  it.each(faults)(
    "gives up with FeaturesUnavailable after all its attempts were %s (F3, F6)",
    async (_, fault) => {
      proxy.decide = () => fault;
      await expect(store.get(["player-3"], within(20_000))).rejects.toMatchObject({
        code: "FeaturesUnavailable",
        message: expect.stringContaining("after 6 attempts"),
      });
      expect(proxy.requests).toHaveLength(6);
    },
  );

  it("asks again only for the keys that were not processed, until all are", async () => {
    proxy.decide = () => ({ kind: "unprocessed", process: 4 });
    const asked = [...keys(30), "nobody"];
    expect(values(await store.get(asked, within(20_000)))).toEqual([
      ...keys(30).map((_, index) => index),
      undefined,
    ]);
    const sizes = proxy.requests.map(({ body }) => JSON.parse(body).RequestItems[table].Keys.length);
    // More requests than attempts are allowed without progress.
    expect(sizes).toEqual([31, 27, 23, 19, 15, 11, 7, 3]);
  });

  it("abandons an attempt that hangs and makes another", async () => {
    const impatient = await DynamoDbStore.open({
      ...direct(table),
      endpoint: proxy.endpoint,
      attemptTimeoutMs: 300,
      maxAttempts: 50,
    });
    for (const kind of ["hang", "stall"] as const) {
      const first = proxy.requests.length;
      proxy.script({ kind });
      expect(values(await impatient.get(["player-4"], within(20_000)))).toEqual([4]);
      // The abandoned request does not linger.
      await proxy.when(() => proxy.requests[first]?.ended === true);
    }
    await impatient.close();
  });

  it.each<[string, Fault]>([
    ["hangs", { kind: "hang" }],
    ["stalls in the middle of its answer", { kind: "stall" }],
  ])("ends at its deadline when the service %s, and closes the request (F2)", async (_, fault) => {
    proxy.decide = () => fault;
    const start = performance.now();
    await expect(store.get(["player-4"], within(200))).rejects.toMatchObject({
      code: "DeadlineExceeded",
      message: expect.stringContaining("the deadline passed: no answer came"),
    });
    const tookMs = performance.now() - start;
    expect(tookMs).toBeGreaterThanOrEqual(199);
    expect(tookMs).toBeLessThan(2_000);
    await proxy.when(() => proxy.requests.every(({ ended }) => ended));
  });

  it("ends at its deadline when the service throttles all along, and says so (F2)", async () => {
    const stubborn = await DynamoDbStore.open({
      ...direct(table),
      endpoint: proxy.endpoint,
      maxAttempts: 100,
    });
    proxy.decide = () => throttled;
    const start = performance.now();
    await expect(stubborn.get(["player-4"], within(400))).rejects.toMatchObject({
      code: "DeadlineExceeded",
      message: expect.stringContaining("it throttles; raise the table's capacity"),
    });
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(proxy.requests.length).toBeGreaterThan(1);
    await stubborn.close();
  });

  it("ends at its deadline when finding credentials hangs, which the SDK cannot abort (F2)", async () => {
    const waiting = await DynamoDbStore.open({
      ...direct(table),
      credentials: () => new Promise(() => {}),
    });
    await expect(waiting.get(["player-4"], within(100))).rejects.toMatchObject({ code: "DeadlineExceeded" });
    await waiting.close();
  });

  it("ends when its caller cancels, and closes the request (F2)", async () => {
    proxy.decide = () => ({ kind: "hang" });
    const controller = new AbortController();
    const pending = store.get(["player-4"], { ...within(20_000), signal: controller.signal });
    const outcome = expect(pending).rejects.toMatchObject({ code: "Cancelled" });
    await proxy.when(() => proxy.requests.length === 1);
    controller.abort();
    await outcome;
    await proxy.when(() => proxy.requests.every(({ ended }) => ended));
  });

  it("ends what is under way and leaves no connection when it closes (F8)", async () => {
    const outcome = expect(store.get(["player-4"], within(20_000))).rejects.toMatchObject({
      code: "FeaturesUnavailable",
    });
    proxy.decide = () => ({ kind: "hang" });
    await proxy.when(() => proxy.requests.length === 1);
    // A second connection, which stays open when its answer has come.
    proxy.decide = () => ({ kind: "pass" });
    await store.get(["player-5"], within(20_000));
    expect(await proxy.openConnections()).toBe(2);
    await store.close();
    await outcome;
    await expect.poll(() => proxy.openConnections()).toBe(0);
  });

  it.each<[string, string, RegExp]>([
    ["the table does not exist", "ResourceNotFoundException", /no such table .*create it/],
    ["access is denied", "AccessDeniedException", /allow dynamodb:BatchGetItem/],
    ["the credentials have expired", "ExpiredTokenException", /no valid credentials/],
    ["the key attribute is another", "ValidationException", /set "keyAttribute"/],
    [
      "the service refuses for a reason unknown to us",
      "SomethingNewException",
      /SomethingNewException: planted/,
    ],
  ])("fails at once, with what to do, when %s (F3)", async (_, name, message) => {
    proxy.decide = () => ({ kind: "error", name });
    await expect(store.get(["player-4"], within(20_000))).rejects.toMatchObject({
      code: "FeaturesUnavailable",
      message: expect.stringMatching(message),
    });
    expect(proxy.requests).toHaveLength(1);
  });

  it("says that nothing listens when the service is not there", async () => {
    await proxy.close();
    await expect(store.get(["player-4"], within(20_000))).rejects.toMatchObject({
      code: "FeaturesUnavailable",
      message: expect.stringContaining("ECONNREFUSED"),
    });
  });

  it.each(faults)("puts every row though attempts were %s", async (_, fault) => {
    const empty = await newTable();
    const writer = await DynamoDbStore.open({
      ...direct(empty),
      endpoint: proxy.endpoint,
      firstRetryDelayMs: 1,
    });
    const start = proxy.requests.length;
    proxy.decide = (index) => (index - start < 4 ? fault : { kind: "pass" });
    await writer.put(entries(60));
    proxy.decide = () => ({ kind: "pass" });
    expect(values(await writer.get(keys(60), within(20_000)))).toEqual(keys(60).map((_, index) => index));
    await writer.close();
  });

  it("puts the rest of a batch of which only some rows were processed", async () => {
    proxy.decide = (_, operation) =>
      operation === "BatchWriteItem" ? { kind: "unprocessed", process: 10 } : { kind: "pass" };
    await store.put(keys(30).map((key) => ({ key, vector: Float32Array.of(-5) })));
    expect(values(await store.get(keys(30), within(20_000)))).toEqual(keys(30).map(() => -5));
  });

  it("gives up a put after putTimeoutMs with FeaturesUnavailable", async () => {
    const writer = await DynamoDbStore.open({
      ...direct(table),
      endpoint: proxy.endpoint,
      putTimeoutMs: 150,
    });
    proxy.decide = () => ({ kind: "hang" });
    await expect(writer.put(entries(1))).rejects.toMatchObject({
      code: "FeaturesUnavailable",
      message: expect.stringContaining("putTimeoutMs, put the rows again"),
    });
    await writer.close();
  });

  it("shares one BatchGetItem between the requests of a turn, and stands in when the service hangs", async () => {
    const { store: layered, stats } = await openFeatureStore({
      dynamodb: { ...direct(table), endpoint: proxy.endpoint },
      default: { vector: Float32Array.of(-1), timeoutMs: 2_000 },
    });
    const gets = keys(30).map((key) => layered.get([key], within(20_000)));
    expect((await Promise.all(gets)).map(values)).toEqual(keys(30).map((_, index) => [index]));
    expect(proxy.requests).toHaveLength(1);
    proxy.decide = () => ({ kind: "hang" });
    const rows = await layered.get(["player-1"], within(20_000));
    expect(rows).toEqual([{ vector: Float32Array.of(-1), defaulted: true }]);
    expect(stats()).toMatchObject({ batching: { batches: 2 }, default: { rowsDefaulted: 1 } });
    await proxy.when(() => proxy.requests.every(({ ended }) => ended));
    await layered.close();
  });

  it("is never wrong and never late, whatever mix of faults it meets (F1, F2, F3)", async () => {
    const kinds: readonly Fault[] = [
      ...faults.map(([, fault]) => fault),
      { kind: "unprocessed", process: 3 },
    ];
    // Two of three requests meet a fault, each kind in its turn.
    proxy.decide = (index) =>
      index % 3 === 0 ? { kind: "pass" } : (kinds[index % kinds.length] ?? throttled);
    const batching = new BatchingStore(store, { maxBatchKeys: 5 });
    const counts = { right: 0, failed: 0 };
    for (let round = 0; round < 40; round += 1) {
      const asked = [`player-${round % 30}`, `nobody-${round}`, `player-${(round * 7) % 30}`];
      const bounds = within(5_000);
      const outcomes = await Promise.allSettled([
        batching.get(asked, bounds),
        batching.get([...asked].reverse(), bounds),
      ]);
      expect(performance.now()).toBeLessThan(bounds.deadlineMs + 500);
      const expected = [round % 30, undefined, (round * 7) % 30];
      outcomes.forEach((outcome, index) => {
        if (outcome.status === "fulfilled") {
          expect(values(outcome.value)).toEqual(index === 0 ? expected : [...expected].reverse());
          counts.right += 1;
        } else {
          expect(outcome.reason).toMatchObject({
            code: expect.stringMatching(/FeaturesUnavailable|DeadlineExceeded/),
          });
          counts.failed += 1;
        }
      });
    }
    // Six attempts against faults in two of three requests: a get fails about once in eleven.
    expect(counts.right).toBeGreaterThan(50);
  });
});

describe("DynamoDbStore and tables as others write them", () => {
  it("reads vectors that are lists of numbers, under attribute names of the table's own", async () => {
    const table = await newTable("playerId");
    await server.putItem(table, {
      playerId: { S: "p1" },
      features: { L: [{ N: "1.5" }, { N: "-2e3" }, { N: "0" }] },
      other: { S: "is not read" },
    });
    const store = await DynamoDbStore.open({
      ...direct(table),
      keyAttribute: "playerId",
      vectorAttribute: "features",
    });
    expect((await store.get(["p1"], within(20_000)))[0]?.vector).toEqual(Float32Array.of(1.5, -2000, 0));
    await store.close();
  });

  it("names a damaged row and spares its neighbours under batching (F4)", async () => {
    const table = await newTable();
    const store = await DynamoDbStore.open({ ...direct(table), dimensions: 2 });
    await store.put([{ key: "good", vector: Float32Array.of(1, 2) }]);
    await server.putItem(table, { key: { S: "empty" } });
    await server.putItem(table, { key: { S: "text" }, vector: { S: "1,2" } });
    await server.putItem(table, { key: { S: "short" }, vector: { B: new Uint8Array(4) } });
    await server.putItem(table, { key: { S: "mixed" }, vector: { L: [{ N: "1" }, { S: "2" }] } });
    const batching = new BatchingStore(store);
    const asked = ["good", "empty", "text", "short", "mixed"];
    const outcomes = await Promise.allSettled(asked.map((key) => batching.get([key], within(20_000))));
    expect(outcomes).toMatchObject([
      { status: "fulfilled" },
      ...asked.slice(1).map((key) => ({
        status: "rejected",
        reason: { code: "FeaturesUnavailable", keys: expect.arrayContaining([key]) },
      })),
    ]);
    await batching.close();
  });

  it("says what is missing when the table does not exist (F3)", async () => {
    const store = await DynamoDbStore.open(direct("no-such-table"));
    await expect(store.get(["a"], within(20_000))).rejects.toMatchObject({
      code: "FeaturesUnavailable",
      message: expect.stringMatching(/"no-such-table": there is no such table/),
    });
    await store.close();
  });
});
