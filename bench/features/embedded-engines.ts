/**
 * Measures node:sqlite against LMDB for the one job of the embedded store: one float32 vector by key. Not a test; it is
 * how the figures of docs/decisions/0002-embedded-feature-store.md were taken:
 *
 *   node test/features/measure-embedded-engines.ts --lmdb /tmp/somewhere/node_modules/lmdb/index.js
 *
 * Each cell runs in a process of its own, the engines alternate (A B A B …), keys are drawn at random for every get.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ENTITIES = 10_000;
const FLOATS = 40;
const PAIRS = 5;
const GETS = 200_000;

interface Engine {
  get(key: string): Float32Array | undefined;
  getMany(keys: readonly string[]): (Float32Array | undefined)[];
  put(rows: readonly (readonly [string, Float32Array])[]): Promise<void>;
  close(): Promise<void>;
}

interface LmdbDatabase {
  getBinary(key: string): Uint8Array | undefined;
  put(key: string, value: Uint8Array): Promise<boolean>;
  flushed: Promise<boolean>;
  close(): Promise<void>;
}

type EngineName = "sqlite" | "sqlite-mmap" | "lmdb";
type Cell = "fill" | "open" | "get" | "many" | "memory" | "read" | "write";

const bytesOf = (vector: Float32Array) => new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);

async function openSqlite(path: string, readOnly: boolean, mmap: boolean): Promise<Engine> {
  const { DatabaseSync } = await import("node:sqlite");
  const db = new DatabaseSync(path, { readOnly });
  db.exec("PRAGMA busy_timeout = 5000");
  if (mmap) db.exec("PRAGMA mmap_size = 268435456");
  if (!readOnly) {
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    db.exec("CREATE TABLE IF NOT EXISTS features(key TEXT PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID");
  }
  const select = db.prepare("SELECT vector FROM features WHERE key = ?");
  const upsert = readOnly
    ? undefined
    : db.prepare("INSERT OR REPLACE INTO features(key, vector) VALUES (?, ?)");
  const get = (key: string) => {
    const blob = select.get(key)?.vector;
    return blob instanceof Uint8Array
      ? new Float32Array(blob.buffer, blob.byteOffset, blob.byteLength / 4)
      : undefined;
  };
  return {
    get,
    getMany: (keys) => keys.map(get),
    async put(rows) {
      db.exec("BEGIN IMMEDIATE");
      for (const [key, vector] of rows) upsert?.run(key, bytesOf(vector));
      db.exec("COMMIT");
    },
    async close() {
      db.close();
    },
  };
}

async function openLmdb(module: string, path: string, readOnly: boolean): Promise<Engine> {
  const lmdb: { open(options: Record<string, unknown>): LmdbDatabase } = await import(module);
  const db = lmdb.open({ path, readOnly, encoding: "binary" });
  const get = (key: string) => {
    // getBinary gives an own copy; getBinaryFast would give a view that the next get overwrites.
    const bytes = db.getBinary(key);
    return (
      bytes && new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
    );
  };
  return {
    get,
    getMany: (keys) => keys.map(get),
    async put(rows) {
      await Promise.all(rows.map(([key, vector]) => db.put(key, bytesOf(vector))));
      await db.flushed;
    },
    close: () => db.close(),
  };
}

const keyOf = (index: number) => `player-${String(index + 1).padStart(5, "0")}`;
const randomKey = () => keyOf(Math.floor(Math.random() * ENTITIES));
/** Every element of a row is the same number, so that a torn row can be told. */
const rowOf = (value: number) => new Float32Array(FLOATS).fill(value);

function pssMb(): number {
  const smaps = readFileSync("/proc/self/smaps_rollup", "utf8");
  return Number(/^Pss:\s+(\d+)/m.exec(smaps)?.[1]) / 1024;
}

function anonymousMb(): number {
  return Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) / 1024;
}

function quantile(sorted: Float64Array, fraction: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN;
}

async function runCell(engineName: EngineName, cell: Cell, path: string, lmdbModule: string) {
  const readOnly = cell !== "fill" && cell !== "write";
  for (let index = 0; index < 20_000; index += 1) keyOf(index);
  globalThis.gc?.();
  const pssBefore = pssMb();
  const anonymousBefore = anonymousMb();
  const openStart = performance.now();
  const engine =
    engineName === "lmdb"
      ? await openLmdb(lmdbModule, path, readOnly)
      : await openSqlite(path, readOnly, engineName === "sqlite-mmap");
  engine.get(randomKey());
  const openMs = performance.now() - openStart;
  const result: Record<string, number> = { openMs };
  if (cell === "fill") {
    const rows = Array.from({ length: ENTITIES }, (_, index) => [keyOf(index), rowOf(index)] as const);
    const start = performance.now();
    await engine.put(rows);
    result.fillMs = performance.now() - start;
  } else if (cell === "get" || cell === "many") {
    const size = cell === "get" ? 1 : 16;
    const rounds = GETS / size;
    const keys = Array.from({ length: rounds + 2_000 }, () => Array.from({ length: size }, randomKey));
    for (const group of keys.slice(rounds)) engine.getMany(group);
    const times = new Float64Array(rounds);
    const start = performance.now();
    for (let round = 0; round < rounds; round += 1) {
      const group = keys[round] ?? [];
      const before = process.hrtime.bigint();
      if (size === 1) engine.get(group[0] ?? "");
      else engine.getMany(group);
      times[round] = Number(process.hrtime.bigint() - before) / 1000;
    }
    const elapsed = performance.now() - start;
    times.sort();
    result.p50Us = quantile(times, 0.5);
    result.p99Us = quantile(times, 0.99);
    result.perSecond = (rounds / elapsed) * 1000;
  } else if (cell === "memory") {
    // Every key once and again; nothing is kept, so that the growth is the engine's own.
    for (let index = 0; index < 2 * ENTITIES; index += 1) {
      engine.get(keyOf(index % ENTITIES));
      if (index % 1_000 === 0) globalThis.gc?.();
    }
    globalThis.gc?.();
    result.pssGrowthMb = pssMb() - pssBefore;
    result.anonymousGrowthMb = anonymousMb() - anonymousBefore;
  } else if (cell === "read" || cell === "write") {
    const end = performance.now() + 3_000;
    const times: number[] = [];
    let torn = 0;
    let operations = 0;
    while (performance.now() < end) {
      if (cell === "write") {
        await engine.put(Array.from({ length: 50 }, () => [randomKey(), rowOf(Math.random())] as const));
        operations += 1;
      } else {
        for (let count = 0; count < 200; count += 1) {
          const before = process.hrtime.bigint();
          const row = engine.get(randomKey());
          times.push(Number(process.hrtime.bigint() - before) / 1000);
          if (row === undefined || row.some((value) => value !== row[0])) torn += 1;
          operations += 1;
        }
      }
      await new Promise(setImmediate);
    }
    const sorted = Float64Array.from(times).sort();
    result.operations = operations;
    result.torn = torn;
    if (cell === "read") {
      result.p50Us = quantile(sorted, 0.5);
      result.p99Us = quantile(sorted, 0.99);
      result.maxUs = sorted.at(-1) ?? Number.NaN;
    }
  }
  await engine.close();
  return result;
}

async function inChild(engine: EngineName, cell: Cell, path: string, lmdbModule: string) {
  const child = fork(fileURLToPath(import.meta.url), [engine, cell, path, "--lmdb", lmdbModule], {
    execArgv: ["--expose-gc", "--disable-warning=ExperimentalWarning"],
  });
  const [result] = await once(child, "message");
  await once(child, "exit");
  return result as Record<string, number>;
}

function summary(samples: readonly Record<string, number>[]) {
  const fields = Object.keys(samples[0] ?? {});
  return Object.fromEntries(
    fields.map((field) => {
      const values = samples.map((sample) => sample[field] ?? Number.NaN).sort((a, b) => a - b);
      const median = values[Math.floor(values.length / 2)] ?? Number.NaN;
      return [field, { median: round(median), min: round(values[0]), max: round(values.at(-1)) }];
    }),
  );
}

const round = (value: number | undefined) => Number((value ?? Number.NaN).toPrecision(4));

async function main(lmdbModule: string): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "tutti-engines-"));
  const engines: readonly EngineName[] = ["sqlite", "sqlite-mmap", "lmdb"];
  const pathOf = (engine: EngineName) => join(directory, engine === "lmdb" ? "lmdb.mdb" : `${engine}.db`);
  const results: Record<string, unknown> = {};
  for (const cell of ["fill", "open", "get", "many", "memory"] as const) {
    const samples: Record<string, Record<string, number>[]> = {};
    for (let pair = 0; pair < PAIRS; pair += 1) {
      for (const engine of engines) {
        samples[engine] ??= [];
        samples[engine].push(await inChild(engine, cell, pathOf(engine), lmdbModule));
      }
    }
    for (const engine of engines) results[`${cell}/${engine}`] = summary(samples[engine] ?? []);
  }
  const mixed: Record<string, Record<string, number>[]> = {};
  for (let pair = 0; pair < PAIRS; pair += 1) {
    for (const engine of engines) {
      const path = pathOf(engine);
      const writer = inChild(engine, "write", path, lmdbModule);
      const readers = [0, 1, 2].map(() => inChild(engine, "read", path, lmdbModule));
      const reads = await Promise.all(readers);
      const writes = await writer;
      mixed[engine] ??= [];
      mixed[engine].push({
        readsPerSecond: reads.reduce((sum, one) => sum + (one.operations ?? 0), 0) / 3,
        readP50Us: Math.max(...reads.map((one) => one.p50Us ?? Number.NaN)),
        readP99Us: Math.max(...reads.map((one) => one.p99Us ?? Number.NaN)),
        readMaxUs: Math.max(...reads.map((one) => one.maxUs ?? Number.NaN)),
        transactionsPerSecond: (writes.operations ?? 0) / 3,
        torn: reads.reduce((sum, one) => sum + (one.torn ?? 0), 0),
      });
    }
  }
  for (const engine of engines) {
    results[`3 readers + 1 writer/${engine}`] = summary(mixed[engine] ?? []);
    results[`fileBytes/${engine}`] = statSync(pathOf(engine)).size;
  }
  rmSync(directory, { recursive: true });
  const { DatabaseSync } = await import("node:sqlite");
  const probe = new DatabaseSync(":memory:");
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
  const sqlite = probe.prepare("SELECT sqlite_version() AS version").get()?.version;
  probe.close();
  const parameters = { entities: ENTITIES, floats: FLOATS, gets: GETS, pairs: PAIRS };
  const date = new Date().toISOString();
  console.log(JSON.stringify({ machine, sqlite, date, parameters, results }, undefined, 2));
}

const { values, positionals } = parseArgs({ options: { lmdb: { type: "string" } }, allowPositionals: true });
if (values.lmdb === undefined) throw new Error("--lmdb <path to lmdb's index.js> is missing");
const [engine, cell, path] = positionals;
if (path === undefined) await main(values.lmdb);
else process.send?.(await runCell(engine as EngineName, cell as Cell, path, values.lmdb));
