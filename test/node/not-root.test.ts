import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { HttpClient } from "../support/http-client.ts";
import { MARK, markedPids } from "../support/processes.ts";
import { REPOSITORY, TempFolder } from "../support/temp-folder.ts";
import { waitFor } from "../support/wait-for.ts";
import { writeShop } from "./shop.ts";

const NOBODY = { uid: 65_534, gid: 65_534 };
const CLI = `${REPOSITORY}/dist/cli/main.js`;

/** As who the node runs: somebody else, where he may read the project; else root without what raising priorities takes. */
const WITHOUT_NICE = ["setpriv", "--inh-caps=-sys_nice", "--bounding-set=-sys_nice"] as const;
const isRoot = process.getuid?.() === 0;
const nobodyMayRead = (() => {
  try {
    execFileSync(process.execPath, [CLI, "--version"], { ...NOBODY, stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

/** Only root can give something up. */
it.skipIf(!isRoot)(
  "a user who may not raise priorities has no process put where it could not be brought back",
  async () => {
    using folder = TempFolder.withTutti();
    const module = writeShop(folder);
    chmodSync(folder.path, 0o755);
    mkdirSync(folder.at("tmp"));
    if (nobodyMayRead) chownSync(folder.at("tmp"), NOBODY.uid, NOBODY.gid);
    const [file, ...before] = nobodyMayRead ? [process.execPath] : [...WITHOUT_NICE, process.execPath];
    const child = spawn(
      file,
      [...before, CLI, "run", module, "--port", "0", "--lanes", "1", "--code-executors", "1", "--watch"],
      {
        ...(nobodyMayRead ? NOBODY : {}),
        env: { PATH: process.env["PATH"], TMPDIR: folder.at("tmp"), [MARK]: folder.path },
        stdio: ["ignore", "ignore", "pipe"],
      },
    );
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    try {
      await waitFor(() => stderr.includes("watching"), { what: "it to be ready", timeoutMs: 30_000 });
      const url = /is ready: .* at (\S+)/.exec(stderr)?.[1] ?? "";
      using client = new HttpClient(Number(new URL(url).port));
      const first = (await client.get("/buy")).json;
      // Another version begins beside the one that serves: with root it would in the background.
      folder.write("shop.js", `${readFileSync(module, "utf8")}\n`);
      await waitFor(() => stderr.includes("the change is served"), { what: "the change", timeoutMs: 30_000 });
      expect((await client.get("/buy")).json.pid).not.toBe(first.pid);
      expect(stderr).not.toMatch(/was lost|could not be/);
      const executors = markedPids(folder.path).filter((pid) => pid !== child.pid);
      // A lane, a code executor and a spare, and none as low as what waits for all others.
      expect(executors.length).toBeGreaterThanOrEqual(3);
      expect(executors.map(nicenessOf).filter((niceness) => niceness >= 19)).toEqual([]);
    } finally {
      await stopped(child);
    }
    expect(markedPids(folder.path)).toEqual([]);
  },
);

/** The 19th field; the second is in parentheses, and may have spaces. */
const nicenessOf = (pid: number): number =>
  Number(
    readFileSync(`/proc/${pid}/stat`, "latin1")
      .replace(/^.*\) /, "")
      .split(" ")[16],
  );

async function stopped(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once("exit", resolve));
  if (child.exitCode === null) child.kill("SIGTERM");
  else return;
  const late = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await ended;
  clearTimeout(late);
}
