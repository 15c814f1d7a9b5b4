/** A state file after its writer was killed in the middle of it, again and again. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { FileStateStore } from "../../src/controller/file-state-store.ts";
import { TempFolder } from "../support/temp-folder.ts";
import { waitFor } from "../support/wait-for.ts";
import { application } from "./written-application.ts";

const WRITER = path.join(import.meta.dirname, "state-writer.ts");
const KILLS = 40;
/** How often a kill must have come in the middle of a write, or nothing was shown; when is chance, so more may be needed. */
const TORN_WANTED = 5;
const MOST_KILLS = 200;
/** Large enough that a write is several calls of the system, and a killed one leaves a part. */
const PADDING_CHARS = 300_000;

class Writer {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  #stdout = "";
  stderr = "";

  constructor(directory: string) {
    const args = ["--disable-warning=ExperimentalWarning", WRITER, directory, String(PADDING_CHARS)];
    this.child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    this.ended = new Promise((resolve) => this.child.once("close", () => resolve()));
  }

  /** Revisions that it has said are stored, and the one that it began with. */
  get told(): number[] {
    const lines = this.#stdout.split("\n").slice(0, -1);
    return lines.map((line) => Number(line.replace("open ", "")));
  }

  async killed(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.ended;
  }
}

describe("a node that is killed while it stores its state", () => {
  it(`has the old state or the new one, ${KILLS} times or more (ST1)`, { timeout: 120_000 }, async () => {
    using folder = new TempFolder();
    let torn = 0;
    let last = 0;
    for (let i = 0; i < KILLS || (torn < TORN_WANTED && i < MOST_KILLS); i++) {
      const writer = new Writer(folder.path);
      const seen = 1 + (i % 5);
      await waitFor(() => writer.told.length > seen, {
        what: `${seen} revisions; ${writer.stderr}`,
        everyMs: 1,
      });
      // At another moment of its writing each time.
      await new Promise((resolve) => setTimeout(resolve, (i * 7) % 13));
      await writer.killed();
      const told = writer.told.at(-1) ?? 0;
      if (readdirSync(folder.path).includes("state.json.next")) torn += 1;
      const store = await FileStateStore.open(folder.path);
      const { revision, applications } = await store.read();
      await store.close();
      expect(writer.told[0]).toBe(last);
      expect([told, told + 1]).toContain(revision);
      expect(applications).toEqual([application(revision, PADDING_CHARS)]);
      last = revision;
    }
    expect(torn).toBeGreaterThanOrEqual(TORN_WANTED);
  });

  it("has its directory to itself while it lives, and leaves it free when it is killed", async () => {
    using folder = new TempFolder();
    const first = new Writer(folder.path);
    await waitFor(() => first.told.length > 1, { what: "a revision" });
    const second = new Writer(folder.path);
    await second.ended;
    expect(second.stderr).toContain("is the state directory of another node that runs");
    expect(second.child.exitCode).toBe(1);
    await first.killed();
    await (await FileStateStore.open(folder.path)).close();
  });
});
