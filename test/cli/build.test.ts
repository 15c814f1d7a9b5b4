import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseConfigFile } from "../../src/config-file/config-file.ts";
import { TempFolder } from "../support/temp-folder.ts";
import { tutti } from "../support/tutti-command.ts";

/** A function that makes an application, and something that would keep its process. */
const APP = `
import { application, deployment } from "tutti";
setInterval(() => {}, 1000);
class Front { get() { return 1; } }
export default ({ game = "none" }) => application({
  name: "shop-" + game,
  version: "1.10",
  ingress: deployment(Front, { replicas: { min: 1, max: 3 }, userConfig: { a: [1] }, maxQueueMs: 5 }).bind(),
  http: { "GET /": "get" },
});
`;

describe("tutti build", () => {
  it("writes a file with every option and its value, which is read as what the module says", async () => {
    using folder = TempFolder.withTutti();
    folder.write("src/app.js", APP);
    const { code, stdout, stderr } = await tutti(["build", "src/app.js", "--args", '{"game":"tower"}'], {
      cwd: folder.path,
    });
    expect([code, stdout, stderr]).toEqual([0, "", "tutti: wrote tutti.yaml\n"]);
    const text = readFileSync(folder.at("tutti.yaml"), "utf8");
    expect(text).toMatch(/^# yaml-language-server: \$schema=/);
    expect(text).toContain("maxOngoingRequests: 512 # default: 512\n");
    const { applications, settings } = parseConfigFile(text, folder.at("tutti.yaml"));
    expect(applications).toEqual([
      expect.objectContaining({
        name: "shop-tower",
        module: folder.at("src/app.js"),
        args: { game: "tower" },
        version: "1.10",
        deployments: {
          Front: {
            replicas: { min: 1, max: 3, initial: 1 },
            maxOngoingRequests: 512,
            maxQueueMs: 5,
            resources: { memoryMb: 64 },
            gracefulShutdownMs: 20_000,
            idempotent: false,
            compute: false,
            userConfig: { a: [1] },
            healthCheck: { periodMs: 10_000, timeoutMs: 30_000 },
          },
        },
      }),
    ]);
    expect(settings).toMatchObject({ http: { port: 8000 }, admin: { port: 8002 }, node: { spares: 1 } });
  });

  it("does not write over a file, unless it is told to", async () => {
    using folder = TempFolder.withTutti();
    folder.write("app.js", APP);
    folder.write("tutti.yaml", "precious");
    const refused = await tutti(["build", "app.js"], { cwd: folder.path });
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("--force writes over it")]);
    expect(readFileSync(folder.at("tutti.yaml"), "utf8")).toBe("precious");
    expect((await tutti(["build", "app.js", "--force"], { cwd: folder.path })).code).toBe(0);
    expect((await tutti(["build", "app.js", "--output", "-"], { cwd: folder.path })).stdout).toBe(
      readFileSync(folder.at("tutti.yaml"), "utf8"),
    );
  });

  it.each([
    [["nothing.js"], 3, "nothing.js"],
    [["app.js", "--args", "[1]"], 2, "--args: expected a JSON object"],
    [["app.js", "--output", "no/such/folder.yaml"], 2, "--output"],
    [[], 2, "missing required argument"],
  ])("refuses %j with %d", async (args, code, message) => {
    using folder = TempFolder.withTutti();
    folder.write("app.js", APP);
    const result = await tutti(["build", ...args], { cwd: folder.path });
    expect([result.code, result.stderr]).toEqual([code, expect.stringContaining(message)]);
  });
});
