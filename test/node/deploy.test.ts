/** `tutti start`, `deploy` and `config` together, as one would use them: real processes throughout. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { HttpClient } from "../support/http-client.ts";
import { TempFolder } from "../support/temp-folder.ts";
import { tutti } from "../support/tutti-command.ts";
import { TuttiProcess } from "../support/tutti-process.ts";
import { waitFor } from "../support/wait-for.ts";
import { writeShop } from "./shop.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** A folder with the shop, its config file and its state; and the node that runs it. */
async function openShop() {
  const folder = TempFolder.withTutti();
  closing.push(() => folder[Symbol.dispose]());
  mkdirSync(folder.at("elsewhere"));
  writeShop(folder);
  const file = folder.at("tutti.yaml");
  const write = (version: string, more = "") =>
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
${more}`,
    );
  let url = "";
  const start = async (env: Readonly<Record<string, string>> = {}) => {
    const node = await TuttiProcess.ready(undefined, { command: "start", args: ["--config", file], env });
    const client = new HttpClient(node.port);
    closing.push(
      () => node[Symbol.asyncDispose](),
      () => client[Symbol.dispose](),
    );
    url = `http://127.0.0.1:${node.adminPort}`;
    return { node, buy: async () => (await client.get("/buy")).json };
  };
  const deploy = (...args: string[]) => tutti(["deploy", file, "--url", url, "--yes", ...args]);
  const config = async () => JSON.parse((await tutti(["config", "--url", url, "--json"])).stdout);
  return { folder, write, start, deploy, config };
}

describe("a node and its config file", () => {
  it("serve what is deployed, version after version, and options in place", async () => {
    const { write, start, deploy } = await openShop();
    write("v1");
    const { node, buy } = await start();
    await waitFor(async () => (await buy())?.version === "v1", { what: "v1", timeoutMs: 30_000 });
    write("v2");
    const second = await deploy();
    expect([second.code, second.stdout], second.stderr).toEqual([
      0,
      "~ shop\n    version v1 → v2 (a rollout)\n",
    ]);
    const served = await buy();
    expect(served.version).toBe("v2");
    write("v2", "    deployments: { Stock: { userConfig: { shelf: top } } }\n");
    const third = await deploy();
    expect([third.code, third.stdout], third.stderr).toEqual([
      0,
      '~ shop\n    Stock: userConfig not set → {"shelf":"top"} (in place)\n',
    ]);
    expect(await buy()).toMatchObject({ version: "v2", stock: { shelf: "top", pid: served.stock.pid } });
    expect((await deploy()).stdout).toBe("nothing changes\n");
    await node.stopped();
  });

  it("go back to what was served when a version cannot be started, with 9 and the constructor's error", async () => {
    const { write, start, deploy, config } = await openShop();
    write("v1");
    const { node, buy } = await start();
    await waitFor(async () => (await buy())?.version === "v1", { what: "v1", timeoutMs: 30_000 });
    write("v2", "    args: { fault: throws }\n");
    const { code, stderr } = await deploy();
    expect(code, stderr).toBe(9);
    expect(stderr).toContain("no such table");
    expect((await buy()).version).toBe("v1");
    const { notes } = await config();
    expect(notes.shop.rollback).toMatchObject({ to: "previous" });
    // Not changed: it stays as it is. Changed: it is tried.
    expect((await deploy()).stdout).toBe("nothing changes\n");
    write("v3");
    const mended = await deploy();
    expect([mended.code, mended.stdout], mended.stderr).toEqual([
      0,
      expect.stringContaining("and is tried again"),
    ]);
    expect((await buy()).version).toBe("v3");
    await node.stopped();
  });

  it("do not lose what was deployed when the node is killed at that moment", async () => {
    const { write, start, deploy } = await openShop();
    write("v1");
    const first = await start();
    await waitFor(async () => (await first.buy())?.version === "v1", { what: "v1", timeoutMs: 30_000 });
    write("v2");
    expect((await deploy("--no-wait")).code).toBe(0);
    first.node.signal("SIGKILL");
    await first.node.ended;
    const second = await start();
    await waitFor(async () => (await second.buy())?.version === "v2", { what: "v2", timeoutMs: 30_000 });
    await second.node.stopped();
  });

  it("go on when the state file is damaged: nothing is changed, what runs serves, until a copy is put back", async () => {
    const { folder, write, start, deploy } = await openShop();
    write("v1");
    const { node, buy } = await start();
    await waitFor(async () => (await buy())?.version === "v1", { what: "v1", timeoutMs: 30_000 });
    const file = folder.at("state", "state.json");
    const copy = readFileSync(file);
    for (const damage of [copy.subarray(0, 100), Buffer.concat([copy, copy]), Buffer.from("")]) {
      writeFileSync(file, damage);
      write("v2");
      const refused = await deploy();
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(`500: ${file}: it`)]);
      expect((await buy()).version).toBe("v1");
    }
    writeFileSync(file, copy);
    const mended = await deploy();
    expect(mended.code, mended.stderr).toBe(0);
    expect((await buy()).version).toBe("v2");
    await node.stopped();
  });

  it("run no module from elsewhere, unless the node was started to", async () => {
    const { folder, write, start, deploy } = await openShop();
    write("v1");
    const first = await start({ TUTTI_MODULES_DIR: folder.at("elsewhere") });
    await waitFor(async () => (await first.buy())?.version === "v1", { what: "v1", timeoutMs: 30_000 });
    folder.write("other.js", "");
    folder.write("tutti.yaml", "applications: [{ name: shop, module: other.js }]\n");
    const { code, stderr } = await deploy();
    expect([code, stderr]).toEqual([2, expect.stringContaining(`beneath ${folder.at("elsewhere")}`)]);
    expect((await first.buy()).version).toBe("v1");
    await first.node.stopped();
  });

  it("are told the environment's mistakes by name", async () => {
    const { write } = await openShop();
    const file = write("v1");
    const node = new TuttiProcess(undefined, {
      command: "start",
      args: ["--config", file],
      env: { TUTTI_PORT: "many" },
    });
    closing.push(() => node[Symbol.asyncDispose]());
    expect(await node.endedByItself()).toBe(2);
    expect(node.stderr).toContain('TUTTI_PORT: expected a port from 0 to 65535, found "many"');
  });
});
