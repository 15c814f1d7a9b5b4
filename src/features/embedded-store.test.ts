import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../clock/manual-clock.ts";
import { BatchingStore } from "./batching-store.ts";
import { CachingStore } from "./caching-store.ts";
import { DefaultingStore } from "./defaulting-store.ts";
import { EmbeddedStore } from "./embedded-store.ts";
import { describeFeatureStore } from "./feature-store.conformance.ts";

const folder = mkdtempSync(join(tmpdir(), "tutti-features-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const newPath = () => join(folder, `store-${++files}`, "features.db");
const openNew = () => EmbeddedStore.open({ path: newPath() });
const forever = { deadlineMs: Number.POSITIVE_INFINITY };

describeFeatureStore("EmbeddedStore", openNew);
describeFeatureStore(
  "EmbeddedStore under all decorators",
  async () => {
    const batching = new BatchingStore(await openNew());
    return new DefaultingStore(new CachingStore(batching), { vector: Float32Array.of(-1) });
  },
  { propertyRuns: 30 },
);

describe("EmbeddedStore", () => {
  let path: string;
  beforeEach(() => {
    path = newPath();
  });

  it("keeps its rows when it is closed and opened again", async () => {
    const first = await EmbeddedStore.open({ path });
    await first.put([{ key: "a", vector: Float32Array.of(1, 2) }]);
    await first.close();
    const second = await EmbeddedStore.open({ path });
    expect((await second.get(["a"], forever))[0]?.vector).toEqual(Float32Array.of(1, 2));
    await second.close();
  });

  it("writes the format that other programs read: little-endian float32 in features(key, vector)", async () => {
    const store = await EmbeddedStore.open({ path });
    await store.put([{ key: "a", vector: Float32Array.of(1, -2) }]);
    const other = new DatabaseSync(path, { readOnly: true });
    expect(other.prepare("SELECT key, hex(vector) AS hex FROM features").all()).toEqual([
      { key: "a", hex: "0000803F000000C0" },
    ]);
    expect(other.prepare("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
    other.close();
    await store.close();
  });

  it("reads, opened read-only, what another connection writes, and refuses to put", async () => {
    const writer = await EmbeddedStore.open({ path });
    const reader = await EmbeddedStore.open({ path, readOnly: true });
    await writer.put([{ key: "a", vector: Float32Array.of(7) }]);
    expect((await reader.get(["a"], forever))[0]?.vector).toEqual(Float32Array.of(7));
    await expect(reader.put([{ key: "b", vector: Float32Array.of(1) }])).rejects.toMatchObject({
      code: "FeaturesUnavailable",
      message: expect.stringContaining("read-only"),
    });
    await reader.close();
    await writer.close();
  });

  it("reads while another process is in the middle of a write", async () => {
    const store = await EmbeddedStore.open({ path });
    await store.put([{ key: "a", vector: Float32Array.of(1) }]);
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE; UPDATE features SET vector = x'00000040'");
    expect(store.getNow(["a"])?.[0]?.vector).toEqual(Float32Array.of(1));
    other.exec("COMMIT");
    expect(store.getNow(["a"])?.[0]?.vector).toEqual(Float32Array.of(2));
    other.close();
    await store.close();
  });

  describe("look-ups of one turn of the event loop", () => {
    const nextTurn = () => new Promise<void>((resolve) => void setImmediate(resolve));
    const rowOf = (store: EmbeddedStore) => store.getNow(["a"])?.[0]?.vector;
    const write = (writer: DatabaseSync, hex: string) =>
      writer.exec(`UPDATE features SET vector = x'${hex}'`);
    const TWO = "00000040";

    it("see one state of the file from the second on, and the next turn's see what was written meanwhile", async () => {
      const store = await EmbeddedStore.open({ path });
      await store.put([{ key: "a", vector: Float32Array.of(1) }]);
      const other = new DatabaseSync(path);
      await nextTurn();
      rowOf(store);
      rowOf(store);
      write(other, TWO);
      expect(rowOf(store)).toEqual(Float32Array.of(1));
      await nextTurn();
      expect(rowOf(store)).toEqual(Float32Array.of(2));
      other.close();
      await store.close();
    });

    it("see what this store put between them", async () => {
      const store = await EmbeddedStore.open({ path });
      await store.put([{ key: "a", vector: Float32Array.of(1) }]);
      rowOf(store);
      rowOf(store);
      await store.put([{ key: "a", vector: Float32Array.of(3) }]);
      expect(rowOf(store)).toEqual(Float32Array.of(3));
      expect(rowOf(store)).toEqual(Float32Array.of(3));
      await store.close();
    });

    it("keep a file without a write-ahead log locked for no longer than the turn", async () => {
      const writable = await EmbeddedStore.open({ path });
      await writable.put([{ key: "a", vector: Float32Array.of(1) }]);
      await writable.close();
      const other = new DatabaseSync(path);
      other.exec("PRAGMA journal_mode = DELETE");
      const store = await EmbeddedStore.open({ path, readOnly: true });
      rowOf(store);
      rowOf(store);
      expect(() => write(other, TWO)).toThrow("locked");
      await nextTurn();
      write(other, TWO);
      expect(rowOf(store)).toEqual(Float32Array.of(2));
      other.close();
      await store.close();
    });

    it("leave a store that can be closed at once", async () => {
      const store = await EmbeddedStore.open({ path });
      rowOf(store);
      rowOf(store);
      await store.close();
      await nextTurn();
      const other = new DatabaseSync(path);
      other.exec("PRAGMA journal_mode = DELETE");
      expect(other.prepare("PRAGMA journal_mode").get()).toEqual({ journal_mode: "delete" });
      other.close();
    });
  });

  it("puts as soon as another writer has ended, without blocking the event loop", async () => {
    const clock = new ManualClock();
    const store = await EmbeddedStore.open({ path }, clock);
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    let written = false;
    const pending = store.put([{ key: "a", vector: Float32Array.of(1) }]).then(() => {
      written = true;
    });
    await clock.advance(100);
    expect(written).toBe(false);
    other.exec("COMMIT");
    await clock.advance(20);
    await pending;
    expect(store.getNow(["a"])?.[0]?.vector).toEqual(Float32Array.of(1));
    other.close();
    await store.close();
    expect(clock.pending).toBe(0);
  });

  it("gives up a put when another writer outlasts busyTimeoutMs, and says so", async () => {
    const clock = new ManualClock();
    const store = await EmbeddedStore.open({ path, busyTimeoutMs: 50 }, clock);
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    const pending = expect(store.put([{ key: "a", vector: Float32Array.of(1) }])).rejects.toMatchObject({
      code: "FeaturesUnavailable",
      message: expect.stringMatching(/another process holds its lock; raise busyTimeoutMs/),
    });
    await clock.advance(50);
    await pending;
    other.close();
    await store.close();
  });

  it("waits for a file that is locked as a whole until the get's deadline, and no longer (F2)", async () => {
    const clock = new ManualClock();
    const store = await EmbeddedStore.open({ path }, clock);
    await store.put([{ key: "a", vector: Float32Array.of(1) }]);
    await store.close();
    // Without a write-ahead log, a writer in its last phase locks readers out.
    const other = new DatabaseSync(path);
    other.exec("PRAGMA journal_mode = DELETE");
    const reader = await EmbeddedStore.open({ path, readOnly: true }, clock);
    other.exec("BEGIN EXCLUSIVE");
    expect(reader.getNow(["a"])).toBeUndefined();
    const late = expect(reader.get(["a"], { deadlineMs: clock.now() + 30 })).rejects.toMatchObject({
      code: "DeadlineExceeded",
    });
    await clock.advance(30);
    await late;
    const patient = reader.get(["a"], { deadlineMs: clock.now() + 1_000 });
    await clock.advance(100);
    other.exec("COMMIT");
    await clock.advance(20);
    expect((await patient)[0]?.vector).toEqual(Float32Array.of(1));
    other.close();
    await reader.close();
    expect(clock.pending).toBe(0);
  });

  it("fails the gets of a damaged row, naming it, and no others (F4)", async () => {
    const store = await EmbeddedStore.open({ path, dimensions: 2 });
    await store.put([{ key: "good", vector: Float32Array.of(1, 2) }]);
    const other = new DatabaseSync(path);
    other.exec("INSERT INTO features VALUES ('short', x'000000'), ('long', x'000000000000000000000000')");
    other.exec("INSERT INTO features VALUES ('text', 'abcdefgh')");
    other.close();
    expect(store.getNow(["good"])?.[0]?.vector).toEqual(Float32Array.of(1, 2));
    for (const [key, reason] of [
      ["short", "has 3 bytes"],
      ["long", "has 3 elements, expected 2"],
      ["text", "of type string, expected a blob"],
    ] as const) {
      await expect(store.get(["good", key], forever)).rejects.toMatchObject({
        code: "FeaturesUnavailable",
        keys: [key],
        message: expect.stringContaining(reason),
      });
    }
    await store.close();
  });

  it("takes nothing of a part that fails in the middle, and goes on with the next put (F4)", async () => {
    const store = await EmbeddedStore.open({ path });
    const other = new DatabaseSync(path);
    other.exec(`CREATE TRIGGER no_bad BEFORE INSERT ON features WHEN new.key = 'bad'
      BEGIN SELECT RAISE(ABORT, 'this key is refused'); END`);
    other.close();
    const vector = Float32Array.of(1);
    await expect(
      store.put([
        { key: "good", vector },
        { key: "bad", vector },
      ]),
    ).rejects.toMatchObject({
      code: "FeaturesUnavailable",
      message: expect.stringContaining("this key is refused"),
    });
    expect(store.getNow(["good"])).toEqual([undefined]);
    await store.put([{ key: "next", vector }]);
    expect(store.getNow(["next"])?.[0]?.vector).toEqual(vector);
    await store.close();
  });

  it("writes more rows than one transaction takes", async () => {
    const store = await EmbeddedStore.open({ path });
    await store.put(
      Array.from({ length: 1_234 }, (_, index) => ({ key: `k${index}`, vector: Float32Array.of(index) })),
    );
    expect(store.getNow(["k0", "k499", "k500", "k1233"])?.map((row) => row?.vector[0])).toEqual([
      0, 499, 500, 1233,
    ]);
    await store.close();
  });

  it("refuses a file that is no database, a database of something else, and one that is not there", async () => {
    const text = join(folder, "text.db");
    writeFileSync(text, "this is a text that is long enough to be read as a header, and is none");
    await expect(EmbeddedStore.open({ path: text })).rejects.toMatchObject({
      code: "FeaturesUnavailable",
      message: expect.stringContaining("give the path of a feature file"),
    });
    const foreign = join(folder, "foreign.db");
    const database = new DatabaseSync(foreign);
    database.exec("CREATE TABLE features(id INTEGER PRIMARY KEY, name TEXT)");
    database.close();
    await expect(EmbeddedStore.open({ path: foreign })).rejects.toMatchObject({
      code: "FeaturesUnavailable",
      message: expect.stringContaining("found features(id INTEGER, name TEXT)"),
    });
    await expect(EmbeddedStore.open({ path: join(folder, "none.db"), readOnly: true })).rejects.toMatchObject(
      {
        code: "FeaturesUnavailable",
        message: expect.stringContaining("check that the path exists"),
      },
    );
  });

  it("refuses unknown and unfit options by name", async () => {
    const unknown = { path, readonly: true };
    await expect(EmbeddedStore.open(unknown)).rejects.toMatchObject({
      code: "InvalidOptions",
      path: "readonly",
      message: expect.stringContaining("expected one of path, readOnly, dimensions, busyTimeoutMs"),
    });
    await expect(EmbeddedStore.open({ path: "" })).rejects.toMatchObject({
      code: "InvalidOptions",
      path: "path",
    });
  });
});
