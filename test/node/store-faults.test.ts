/** A disk that is full or read-only under the state directory of a real node, and `tutti deploy` of a real command line. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { HttpClient } from "../support/http-client.ts";
import { Mounts } from "../support/mounts.ts";
import { TempFolder } from "../support/temp-folder.ts";
import { tutti } from "../support/tutti-command.ts";
import { TuttiProcess } from "../support/tutti-process.ts";
import { waitFor } from "../support/wait-for.ts";
import { writeShop } from "./shop.ts";

/** Only root may mount: elsewhere these are skipped, and counted as such. */
const asRoot = process.getuid?.() === 0 ? it.concurrent : it.skip;

interface Case {
  readonly name: string;
  /** @returns ends it. */
  begin(mounts: Mounts, directory: string): () => void;
  readonly refusal: RegExp;
}

const CASES: readonly Case[] = [
  {
    name: "full",
    begin: (_, directory) => {
      const filler = `${directory}/filler`;
      expect(() => writeFileSync(filler, Buffer.alloc(1024 * 1024))).toThrow("ENOSPC");
      return () => rmSync(filler);
    },
    refusal:
      /the node answered 507: .*state\.json could not be written: ENOSPC.*: free space there, then try again; what runs goes on/,
  },
  {
    name: "read-only",
    begin: (mounts, directory) => mounts.readOnly(directory),
    refusal:
      /the node answered 503: .*state\.json could not be written: EROFS.*: make it writable again, then try again; what runs goes on/,
  },
];

// The two of a case are beside each other: most of their time they wait for what the node tries again.
describe.each(CASES)("a state directory that is $name", ({ begin, refusal }) => {
  asRoot("refuses changes by name, what runs goes on, and later ones are taken", async () => {
    using folder = TempFolder.withTutti();
    using mounts = new Mounts();
    const state = folder.at("state");
    mounts.tmpfs(state, 64);
    writeShop(folder);
    const write = (version: string, fault = "none", traffic = "") =>
      folder.write(
        "tutti.yaml",
        `stateDir: state
http: { port: 0 }
admin: { port: 0 }
node: { lanes: 1, codeExecutors: 1 }
applications:
  - name: shop
    module: ./shop.js
    version: ${version}
    args: { fault: ${fault} }
${traffic}`,
      );
    const file = write("v1");
    await using node = await TuttiProcess.ready(undefined, { command: "start", args: ["--config", file] });
    using edge = new HttpClient(node.port);
    using admin = new HttpClient(node.adminPort);
    const url = ["--url", `http://127.0.0.1:${node.adminPort}`];
    const deploy = (...args: string[]) => tutti(["deploy", file, ...url, "--yes", ...args]);
    const status = async () => (await admin.get("/api/status?format=json")).json;
    const served = async () => (await edge.get("/buy")).json?.version;
    await waitFor(async () => (await served()) === "v1", { what: "v1", timeoutMs: 30_000 });

    // In the middle of a rollout to a version that fails: it is taken back whatever can be noted of it.
    write(
      "v2",
      "fails",
      "    traffic: { steps: [{ weight: 0.5, durationMs: 60000 }], gates: { minRequests: 1000 } }\n",
    );
    expect((await deploy("--no-wait")).code).toBe(0);
    await waitFor(async () => (await status()).applications[0]?.rollout?.weight === 0.5, {
      what: "the rollout",
      timeoutMs: 20_000,
    });
    const before = readFileSync(`${state}/state.json`, "utf8");
    const end = begin(mounts, state);
    write("v3");
    const refused = await deploy();
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(refusal)]);
    expect((await tutti(["scale", "shop/Shop", "2", ...url])).stderr).toMatch(refusal);
    expect(readFileSync(`${state}/state.json`, "utf8")).toBe(before);
    expect((await status()).applications[0].rollout).toMatchObject({ from: "v1", to: "v2" });
    for (let i = 0; i < 20; i++) expect([200, 500]).toContain((await edge.get("/buy")).status);

    end();
    const taken = await deploy();
    expect(taken.code, taken.stderr).toBe(0);
    expect(await served()).toBe("v3");
    expect((await status()).troubles).toEqual([]);
    await node.stopped();
  });

  asRoot("notes a version that is given up meanwhile once it can", async () => {
    using folder = TempFolder.withTutti();
    using mounts = new Mounts();
    const state = folder.at("state");
    mounts.tmpfs(state, 64);
    const module = writeShop(folder);
    await using node = await TuttiProcess.ready(undefined, {
      command: "start",
      args: [
        "--port",
        "0",
        "--lanes",
        "1",
        "--code-executors",
        "1",
        "--state-dir",
        state,
        "--modules-dir",
        folder.path,
      ],
    });
    using edge = new HttpClient(node.port);
    using admin = new HttpClient(node.adminPort);
    const put = async (version: string, fault: string) => {
      const body = { applications: [{ name: "shop", module, version, args: { fault } }] };
      const answer = await admin.send("/api/applications", {
        method: "PUT",
        body,
        headers: { "if-match": "*" },
      });
      expect(answer.status, answer.text).toBe(200);
    };
    const status = async () => (await admin.get("/api/status?format=json")).json;
    await put("v1", "none");
    await waitFor(async () => (await edge.get("/buy")).json?.version === "v1", {
      what: "v1",
      timeoutMs: 30_000,
    });
    await put("v2", "throws");
    const end = begin(mounts, state);
    const troubles = await waitFor(
      async () => {
        const { troubles: told } = await status();
        return told.length > 0 ? told : undefined;
      },
      { what: "the trouble", timeoutMs: 30_000 },
    );
    expect(troubles[0]).toContain("state.json could not be written");
    const text = (await tutti(["status", "--url", `http://127.0.0.1:${node.adminPort}`])).stdout;
    expect(text).toContain(`\n${troubles[0]}\n`);
    expect((await edge.get("/buy")).json).toMatchObject({ version: "v1" });
    end();
    const isOver = async () => {
      const { troubles: left, applications } = await status();
      return (
        left.length === 0 && /^rolled back: v2 was given up: .*no such table/.test(applications[0].reason)
      );
    };
    await waitFor(isOver, { what: "it to be noted", timeoutMs: 20_000 });
    expect(node.stderr).toContain("that is over: ");
    expect((await admin.get("/api/applications")).json.notes.shop.rollback.to).toBe("previous");
    await node.stopped();
  });
});
