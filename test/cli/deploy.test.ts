/** `tutti deploy` and `tutti config`, the real binary, against a real admin API whose node is told what to say. */
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { resolveAdminOptions } from "../../src/admin/admin-options.ts";
import { AdminServer } from "../../src/admin/admin-server.ts";
import { ApplicationsDesk } from "../../src/admin/applications-desk.ts";
import type { ApplicationStatus, NodeStatus } from "../../src/admin/node-status.ts";
import { parseConfigFile } from "../../src/config-file/config-file.ts";
import type { DesiredState } from "../../src/policy/desired-state.ts";
import { FakeSource, STATUS } from "../admin/fake-source.ts";
import { FaultyStore } from "../admin/faulty-store.ts";
import { TempFolder } from "../support/temp-folder.ts";
import { tutti } from "../support/tutti-command.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** What the node says of itself, from what it is to run and how often it was asked since that last changed. */
type Plot = (desired: DesiredState, looks: number) => readonly ApplicationStatus[];

class PlottedSource extends FakeSource {
  desired: DesiredState = { revision: 0, applications: [] };
  plot: Plot = (desired) => desired.applications.map(({ name, version }) => running(name, version ?? "1"));
  #looks = 0;

  sees(desired: DesiredState): void {
    this.desired = desired;
    this.#looks = 0;
  }

  override status(): NodeStatus {
    const { desired } = this;
    return { ...STATUS, revision: desired.revision, applications: this.plot(desired, this.#looks++) };
  }
}

const running = (
  name: string,
  version: string,
  more: Partial<ApplicationStatus> = {},
): ApplicationStatus => ({
  name,
  version,
  route: `/${name}`,
  deadlineMs: 1000,
  status: "RUNNING",
  reason: "",
  deployments: [],
  versions: [{ version, state: "serving", weight: 1, openRequests: 0, deployments: [] }],
  ...more,
});

async function start() {
  const folder = new TempFolder();
  const store = new FaultyStore();
  const source = new PlottedSource();
  store.watch(() => void store.read().then((desired) => source.sees(desired)));
  const settings = { http: { port: 8000, admission: { maxQueueMs: 50 } }, node: { lanes: 2 } };
  const desk = new ApplicationsDesk({ store, modulesDirectory: folder.path, settings });
  const server = new AdminServer(resolveAdminOptions({ port: 0 }), source, { error: () => {} }, desk);
  const url = `http://127.0.0.1:${(await server.start()).port}`;
  closing.push(
    () => folder[Symbol.dispose](),
    () => server.close(),
  );
  folder.write("app.ts", "");
  const write = (text: string) => folder.write("tutti.yaml", text);
  const deploy = (...args: string[]) => tutti(["deploy", folder.at("tutti.yaml"), "--url", url, ...args]);
  return { folder, store, source, url, write, deploy };
}

const yaml = (version: string, more = "") => `
applications:
  - name: offers
    module: ./app.ts
    version: ${version}
${more}`;

describe("tutti deploy", () => {
  it("shows what will change, does it, follows it, and ends with 0", async () => {
    const { write, deploy, store, folder } = await start();
    write(yaml("v1", "    deployments: { 'm*': { replicas: 2 } }\n"));
    const { code, stdout, stderr } = await deploy("--yes");
    expect(stdout).toBe(
      `+ offers  new\n    module ${folder.at("app.ts")}\n    version v1\n    m*: replicas 2\n`,
    );
    expect(stderr).toMatch(/^(tutti: offers: .*\n)*tutti: offers: v1 is served\n$/);
    expect(code).toBe(0);
    write(yaml("v2", "    deployments: { 'm*': { replicas: 4 } }\n"));
    const second = await deploy("--yes");
    expect(second.stdout).toBe(
      "~ offers\n    version v1 → v2 (a rollout)\n    m*: replicas 2 → 4 (in place)\n",
    );
    expect((await store.read()).revision).toBe(2);
  });

  it("changes nothing when all is as it is wanted", async () => {
    const { write, deploy, store } = await start();
    write(yaml("v1"));
    await deploy("--yes");
    const { code, stdout, stderr } = await deploy();
    expect([code, stdout, stderr]).toEqual([0, "nothing changes\n", ""]);
    expect(store.writes).toBe(1);
  });

  it("only shows with --dry-run, and does nothing where nobody can be asked", async () => {
    const { write, deploy, store } = await start();
    write(yaml("v1"));
    const dry = await deploy("--dry-run");
    expect([dry.code, dry.stdout.slice(0, 8)]).toEqual([0, "+ offers"]);
    const unasked = await deploy();
    expect([unasked.code, unasked.stderr]).toEqual([
      2,
      "tutti: nobody can be asked, since this is no terminal: --yes does it, --dry-run only shows it\n",
    ]);
    expect(store.writes).toBe(0);
  });

  it("tells the steps of a rollout", async () => {
    const { write, deploy, source } = await start();
    write(yaml("v1"));
    await deploy("--yes");
    const rollout = { from: "v1", to: "v2", step: 1, steps: 2, weight: 0.05, stepAgeMs: 0 };
    source.plot = (_, looks) => {
      if (looks < 2) return [running("offers", "v1", { status: "DEPLOYING", rollout })];
      if (looks < 4)
        return [
          running("offers", "v1", { status: "DEPLOYING", rollout: { ...rollout, step: 2, weight: 0.5 } }),
        ];
      return [running("offers", "v2")];
    };
    write(yaml("v2"));
    const { code, stderr } = await deploy("--yes");
    expect(code).toBe(0);
    expect(stderr).toContain(
      "tutti: offers: v1 → v2: 5 % of its requests, step 1 of 2\n" +
        "tutti: offers: v1 → v2: 50 % of its requests, step 2 of 2\n" +
        "tutti: offers: v2 is served\n",
    );
  });

  it("ends with 9 and the reason when the node goes back to the version before", async () => {
    const { write, deploy, source, store } = await start();
    write(yaml("v1"));
    await deploy("--yes");
    source.plot = (desired, looks) => {
      if (looks === 2) {
        const applications = desired.applications.map((one) => ({
          ...one,
          rollback: { to: "previous" as const, reason: "v2 was given up: 12 of 40 requests failed" },
        }));
        void store.compareAndSet(desired.revision, applications);
      }
      return [running("offers", "v1", { status: "DEPLOYING" })];
    };
    write(yaml("v2"));
    const { code, stderr } = await deploy("--yes");
    expect(code).toBe(9);
    expect(stderr).toContain("tutti: offers: rolled back: v2 was given up: 12 of 40 requests failed\n");
  });

  it("ends with 9 when it could not be started, with 10 when that is not known in time", async () => {
    const { write, deploy, source } = await start();
    source.plot = () => [
      running("offers", "v1", { status: "DEPLOY_FAILED", reason: "Shop could not be built:\n no disk" }),
    ];
    write(yaml("v1"));
    const failed = await deploy("--yes");
    expect([failed.code, failed.stderr]).toEqual([
      9,
      expect.stringContaining("offers: failed: Shop could not be built: no disk\n"),
    ]);
    source.plot = () => [running("offers", "v1", { status: "DEPLOYING" })];
    write(yaml("v2"));
    expect((await deploy("--yes", "--wait-ms", "300")).code).toBe(10);
    write(yaml("v3"));
    expect((await deploy("--yes", "--no-wait")).code).toBe(0);
  });

  it("waits for what is removed to be gone", async () => {
    const { write, deploy, source } = await start();
    write(yaml("v1"));
    await deploy("--yes");
    source.plot = (_, looks) => (looks < 3 ? [running("offers", "v1", { status: "DELETING" })] : []);
    write("applications: []\n");
    const { code, stdout, stderr } = await deploy("--yes");
    expect([code, stdout]).toEqual([0, "- offers  removed: it drains, then ends\n"]);
    expect(stderr).toMatch(/tutti: offers: gone\n$/);
  });

  it("does not overwrite what somebody else has changed since it was shown, and ends with 8", async () => {
    const { write, deploy, store } = await start();
    write(yaml("v1"));
    store.beforeWrite = () => store.compareAndSet(0, []);
    const { code, stderr } = await deploy("--yes");
    expect([code, stderr]).toEqual([8, expect.stringContaining("expected revision 0, found 1")]);
    expect((await store.read()).applications).toEqual([]);
  });

  it("gives scripts all of it as JSON, and nothing else on standard output", async () => {
    const { write, deploy } = await start();
    write(yaml("v1"));
    const { code, stdout } = await deploy("--yes", "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      revision: 1,
      isApplied: true,
      changes: [{ kind: "added", application: "offers" }],
      restartFor: [],
      outcomes: [{ application: "offers", state: "served", reason: "" }],
    });
  });

  it("says what it cannot change: that takes a restart", async () => {
    const { write, deploy } = await start();
    write(`http: { port: 9000, admission: { maxQueueMs: 50 } }\nnode: { lanes: 4 }\n${yaml("v1")}`);
    const { stderr } = await deploy("--dry-run");
    expect(stderr).toBe(
      "tutti: not changed, it takes a restart of the node: http.port is 8000, the file says 9000\n" +
        "tutti: not changed, it takes a restart of the node: node.lanes is 2, the file says 4\n",
    );
  });

  it("tells every fault of a file, with its line, before it asks anybody", async () => {
    const { write, deploy, folder, store } = await start();
    write(yaml("v1", "    deployments: { m1: { replica: 2 } }\n    mirror: 1\n"));
    const { code, stdout, stderr } = await deploy("--yes", "--url", "http://127.0.0.1:1");
    expect([code, stdout, store.writes]).toEqual([2, "", 0]);
    const file = folder.at("tutti.yaml");
    expect(stderr.split("\n").map((line) => line.replace(/expected.*/, "…"))).toEqual([
      `tutti: ${file}:6: applications[0].deployments.m1.replica: …`,
      `${file}:7: applications[0].mirror: …`,
      "",
    ]);
  });

  it("says what the node refuses, with what it says", async () => {
    const { write, deploy, folder } = await start();
    write(yaml("v1").replace("./app.ts", "../elsewhere.ts"));
    const { code, stderr } = await deploy("--yes");
    expect(code).toBe(2);
    expect(stderr).toContain(`applications[0].module: expected a module beneath ${folder.path}`);
  });

  it.each([
    [["--no-such-flag"], "unknown option"],
    [["--wait-ms", "soon"], "expected a whole number"],
  ])("refuses %j with 2", async (args, message) => {
    const { code, stderr } = await tutti(["deploy", "tutti.yaml", ...args]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });

  it("says that there is no such file (2), that no node answers (7), or that a node keeps no state (1)", async () => {
    const { write, folder } = await start();
    expect((await tutti(["deploy", folder.at("none.yaml")])).stderr).toContain("cannot be read: ENOENT");
    write(yaml("v1"));
    const file = folder.at("tutti.yaml");
    expect((await tutti(["deploy", file, "--url", "http://127.0.0.1:1"])).code).toBe(7);
    const stateless = new AdminServer(resolveAdminOptions({ port: 0 }), new FakeSource(), {
      error: () => {},
    });
    const { port } = await stateless.start();
    closing.push(() => stateless.close());
    const { code, stderr } = await tutti(["deploy", file, "--url", `http://127.0.0.1:${port}`]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("tutti start")]);
  });
});

describe("tutti config", () => {
  it("shows what a node is to run, as a file that deploys to nothing new", async () => {
    const { write, deploy, url, folder } = await start();
    write(
      yaml(
        '"1.10"',
        "    route: /offers\n    args: { a: [1, x], b: 'no: thing' }\n    deployments: { '*': { userConfig: { t: 0.5 } } }\n",
      ),
    );
    await deploy("--yes");
    const { code, stdout, stderr } = await tutti(["config", "--url", url]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain(`# revision 1 of ${url}\n`);
    const read = (text: string) => parseConfigFile(text, folder.at("tutti.yaml")).applications;
    expect(read(stdout)).toEqual(read(readFileSync(folder.at("tutti.yaml"), "utf8")));
    write(stdout);
    expect((await deploy()).stdout).toBe("nothing changes\n");
  });

  it("says what was rolled back, in a comment that nothing in the reason can end", async () => {
    const { store, url } = await start();
    const [application] = parseConfigFile(yaml("v1"), "/srv/tutti.yaml").applications ?? [];
    const rollback = { to: "previous", reason: "it failed\napplications: []" } as const;
    await store.compareAndSet(0, [{ ...application!, rollback, history: [] }]);
    const { stdout } = await tutti(["config", "--url", url]);
    expect(stdout).toContain("# offers is rolled back: it failed applications: []\n");
    expect(parseConfigFile(stdout, "/srv/tutti.yaml").applications).toHaveLength(1);
  });

  it("gives the admin API's JSON with --json", async () => {
    const { url } = await start();
    const { stdout } = await tutti(["config", "--url", url, "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({
      revision: 0,
      applications: [],
      settings: { node: { lanes: 2 } },
    });
  });
});
