import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EmbeddedStore } from "../../src/features/embedded-store.ts";

const WRITER = join(import.meta.dirname, "embedded-writer.ts");
const forever = { deadlineMs: Number.POSITIVE_INFINITY };
const keys = Array.from({ length: 200 }, (_, index) => `player-${index}`);

describe("EmbeddedStore and several processes", () => {
  let folder: string;
  let path: string;
  let children: ChildProcess[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tutti-features-"));
    path = join(folder, "features.db");
    children = [];
  });
  afterEach(async () => {
    await Promise.all(children.map(end));
    rmSync(folder, { recursive: true });
  });

  /** A process that puts all keys again and again, every row filled with the number of the round. */
  function startWriter(): ChildProcess {
    const child = fork(WRITER, [path, String(keys.length)], {
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    children.push(child);
    return child;
  }

  it("reads whole rows while two other processes write them (F4)", async () => {
    await Promise.all([once(startWriter(), "message"), once(startWriter(), "message")]);
    const reader = await EmbeddedStore.open({ path, readOnly: true });
    const versions = new Set<number>();
    for (let reads = 0; versions.size < 5 || reads < 200; reads += 1) {
      for (const row of await reader.get(keys, forever)) {
        const first = row?.vector[0] ?? Number.NaN;
        versions.add(first);
        expect(row?.vector.every((value) => value === first)).toBe(true);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    await reader.close();
  });

  it("has every row that a put had resolved for, whole, after the writer is killed in the middle of the next", async () => {
    for (let kills = 0; kills < 5; kills += 1) {
      const writer = startWriter();
      await once(writer, "message");
      const [round] = await once(writer, "message");
      await end(writer);
      const store = await EmbeddedStore.open({ path });
      const rows = await store.get(keys, forever);
      for (const row of rows) {
        expect(row?.vector[0]).toBeGreaterThanOrEqual(round);
        expect(row?.vector.every((value) => value === row.vector[0])).toBe(true);
      }
      await store.put([{ key: "after", vector: Float32Array.of(kills) }]);
      await store.close();
    }
    const check = new DatabaseSync(path, { readOnly: true });
    expect(check.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
    check.close();
  });

  it("lets several processes create and open one new file at the same moment", async () => {
    const writers = Array.from({ length: 4 }, startWriter);
    const first = await Promise.all(
      writers.map((writer) => Promise.race([once(writer, "message"), once(writer, "exit")])),
    );
    for (const [message] of first) expect(message).toBeGreaterThanOrEqual(1);
  });
});

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}
