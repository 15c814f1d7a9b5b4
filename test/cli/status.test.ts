/** `tutti status` as somebody at a terminal, and as a script, sees it. */
import { rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TempFolder } from "../support/temp-folder.ts";
import { tutti } from "../support/tutti-command.ts";
import { TuttiProcess } from "../support/tutti-process.ts";
import { waitFor } from "../support/wait-for.ts";

const APP = "test/node/apps/nested.ts";
const SMALL = ["--port", "0", "--spares", "0", "--code-executors", "1"];
const TOKEN = "a-token-of-some-length";
const ESCAPE = "\u001b[";

describe("tutti status", () => {
  let node: TuttiProcess;
  let url: string;

  beforeAll(async () => {
    node = await TuttiProcess.ready(APP, { args: SMALL });
    url = `http://127.0.0.1:${node.adminPort}`;
  });
  afterAll(async () => {
    await node.stopped();
    await node[Symbol.asyncDispose]();
  });

  it("shows the application, each deployment with its state, each place with its process, and ends with 0", async () => {
    const { code, stdout, stderr } = await tutti(["status", "--url", url]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^nested v3, ready; node \d+, up \d+ s\n/);
    expect(stdout).toMatch(/\n {2}Scorer +class {2}ready {2}1 of 1 ready {2}code-Scorer-0\n/);
    expect(stdout).toMatch(/\n {2}code 0 +x\d+ {2}ready {2}pid \d+ {2}3 replicas {2}\d+ MB {2}0 ongoing\n/);
  });

  it("is plain text where nobody looks, and in colours where somebody wants them", async () => {
    expect((await tutti(["status", "--url", url])).stdout).not.toContain(ESCAPE);
    const coloured = await tutti(["status", "--url", url], { env: { FORCE_COLOR: "1" } });
    expect(coloured.stdout).toContain(`${ESCAPE}32mready${ESCAPE}39m`);
    expect((await tutti(["status", "--url", url], { env: { NO_COLOR: "1" } })).stdout).not.toContain(ESCAPE);
  });

  it("names the node that runs on this machine when none answers where it asked", async () => {
    const asked = ["status", "--url", "http://127.0.0.1:1"];
    const { code, stderr } = await tutti(asked, { env: { TMPDIR: path.dirname(node.socketFolder) } });
    expect(code).toBe(7);
    expect(stderr).toContain(`: --url names another; here one runs at ${url}\n`);
  });

  it("gives scripts the JSON of the admin API, and nothing else", async () => {
    const { code, stdout } = await tutti(["status", "--url", url, "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      pid: node.pid,
      ready: true,
      applications: [
        {
          status: "RUNNING",
          deployments: expect.arrayContaining([expect.objectContaining({ name: "slow", state: "ready" })]),
        },
      ],
    });
  });
});

/** Its class cannot be built while there is a file of the name that it is given. */
const SICKLY = `
import { existsSync } from "node:fs";
import { application, deployment } from "tutti";
class Sickly {
  constructor(file) {
    if (existsSync(file)) throw new Error("the disk is full\\nsince noon");
  }
  work() { return "well"; }
}
const file = import.meta.dirname + "/sick";
export default application({ name: "sickly", ingress: deployment(Sickly).bind(file), http: { "GET /": "work" } });
`;

describe("tutti status of a node that has lost what it cannot replace", () => {
  it("ends with 6, and says of deployment, replica and place what is wrong, until all is well again", async () => {
    using folder = TempFolder.withTutti();
    await using node = await TuttiProcess.ready(folder.write("app.js", SICKLY), { args: SMALL });
    const status = () => tutti(["status", "--url", `http://127.0.0.1:${node.adminPort}`]);
    folder.write("sick", "");
    for (const pid of node.executorPids) process.kill(pid, "SIGKILL");
    const isWaiting = async () => {
      const result = await status();
      return result.stdout.includes("waiting  ") ? result : undefined;
    };
    const { code, stdout } = await waitFor(isWaiting, { what: "a place that waits" });
    expect(code).toBe(6);
    expect(stdout).toMatch(/^sickly \S+, not ready: Sickly has 0 of 1 replicas;/);
    expect(stdout).toMatch(/\n {2}Sickly {2}class {2}down {2}0 of 1 ready {2}code 0 \(waiting\)\n/);
    // In one line, whatever the constructor said.
    expect(stdout).toMatch(/\n {2}code 0 +waiting {2}.*the disk is full since noon.*\n/);
    rmSync(folder.at("sick"));
    await waitFor(async () => (await status()).code === 0, { what: "it to be ready", timeoutMs: 30_000 });
    await node.stopped();
  });
});

describe("tutti status, when it goes wrong,", () => {
  it("says that no node answers, and how to start one, with 7", async () => {
    const free = await listening(createServer());
    const { port } = free.address() as AddressInfo;
    await new Promise((resolve) => free.close(resolve));
    const asked = ["status", "--url", `http://127.0.0.1:${port}`];
    using empty = new TempFolder();
    const { code, stdout, stderr } = await tutti(asked, { env: { TMPDIR: empty.path } });
    expect([code, stdout]).toEqual([7, ""]);
    expect(stderr).toBe(
      `tutti: no node answers at http://127.0.0.1:${port} (connect ECONNREFUSED 127.0.0.1:${port}): ` +
        '"tutti run <module>" starts one, --url names another\n',
    );
  });

  it("does not wait for ever for a node that says nothing", async () => {
    const silent = await listening(createServer(() => {}));
    const { port } = silent.address() as AddressInfo;
    const { code, stderr } = await tutti([
      "status",
      "--url",
      `http://127.0.0.1:${port}`,
      "--timeout-ms",
      "200",
    ]);
    silent.closeAllConnections();
    silent.close();
    expect(code).toBe(7);
    expect(stderr).toContain("(nothing within 200 ms)");
  });

  it("knows what is no admin API", async () => {
    const other = await listening(createServer((_, response) => response.end("<html>hello</html>")));
    const { port } = other.address() as AddressInfo;
    const { code, stderr } = await tutti(["status", "--url", `http://127.0.0.1:${port}`]);
    other.closeAllConnections();
    other.close();
    expect(code).toBe(1);
    expect(stderr).toContain("is not the admin API of a node");
  });

  it("says what is missing when the node demands its token, and takes it from the environment or a file", async () => {
    await using node = await TuttiProcess.ready(APP, { args: SMALL, env: { TUTTI_ADMIN_TOKEN: TOKEN } });
    using folder = new TempFolder();
    const status = ["status", "--url", `http://127.0.0.1:${node.adminPort}`];
    const without = await tutti(status);
    expect([without.code, without.stdout]).toEqual([1, ""]);
    expect(without.stderr).toMatch(
      /demands the node's token, and got none: set TUTTI_ADMIN_TOKEN or .*--admin-token-file/,
    );
    const wrong = await tutti(status, { env: { TUTTI_ADMIN_TOKEN: "some-other-token-entirely" } });
    expect(wrong.stderr).toContain("got another");
    expect(wrong.stderr).not.toContain("some-other");
    expect((await tutti(status, { env: { TUTTI_ADMIN_TOKEN: TOKEN } })).code).toBe(0);
    const file = folder.write("token", `${TOKEN}\n`);
    expect((await tutti([...status, "--admin-token-file", file])).code).toBe(0);
    await node.stopped();
  });

  it.each([
    [["--url", "localhost:8002"], "expected a URL such as http://127.0.0.1:8002"],
    [["--timeout-ms", "soon"], "expected a whole number"],
    [["--verbose"], "unknown option '--verbose'"],
  ])("refuses %j, naming the option, with 2", async (args, message) => {
    const { code, stderr } = await tutti(["status", ...args]);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

describe("the help", () => {
  it.each([
    [[]],
    [["run"]],
    [["build"]],
    [["deploy"]],
    [["config"]],
    [["status"]],
    [["bench"]],
    [["scale"]],
    [["rollback"]],
    [["shutdown"]],
    [["start"]],
    [["doctor"]],
  ])("of tutti %j has examples", async (command) => {
    const { code, stdout } = await tutti([...command, "--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain("\nExamples:\n  $ tutti ");
    for (const line of stdout.split("\n")) expect(line.length, line).toBeLessThanOrEqual(120);
  });

  it("is named where the command line is wrong, which is said as everything else is", async () => {
    const { code, stderr } = await tutti(["run", "app.ts", "--port", "eighty"]);
    expect([code, stderr]).toEqual([
      2,
      "tutti: option '--port <n>' argument 'eighty' is invalid. expected a whole number.\n(see tutti run --help)\n",
    ]);
    expect((await tutti(["frobnicate"])).stderr).toBe(
      "tutti: unknown command 'frobnicate'\n(see tutti --help)\n",
    );
  });

  it("is what comes without a command, with 2", async () => {
    const { code, stderr } = await tutti([]);
    expect(code).toBe(2);
    expect(stderr).toContain("Commands:");
  });
});

function listening(server: Server): Promise<Server> {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}
