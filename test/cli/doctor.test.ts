/** `tutti doctor` on this machine. */
import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { REPOSITORY, TempFolder } from "../support/temp-folder.ts";
import { tutti } from "../support/tutti-command.ts";

const MODELS = `${REPOSITORY}/examples/dynamic-offers/models/tower/v1`;
const FREE = ["--port", "0", "--admin-port", "0"];

describe("tutti doctor", () => {
  it("has a line for each thing that a node needs, and ends with 0 where it has them", async () => {
    const { code, stdout, stderr } = await tutti([
      "doctor",
      ...FREE,
      `${MODELS}/m01-year-everyone/1/model.onnx`,
    ]);
    expect([code, stderr]).toEqual([0, ""]);
    const checks = stdout.split("\n").flatMap((line) => /^(?:ok|warn|fail) +(.+?) {2}/.exec(line)?.[1] ?? []);
    expect(checks).toEqual([
      "node",
      "platform",
      "cores",
      "memory",
      "open files",
      "priority",
      "temporary folder",
      "http port",
      "admin port",
      "sqlite",
      "onnxruntime",
      "model model",
    ]);
    expect(stdout).toMatch(
      /\nok {4}model model +takes features float32\[\*, 19\]; loaded in .* ms; 1 row in .* 8 rows in .*\n/,
    );
    expect(stdout).toMatch(/\n\nready to run.*\n$/);
    expect(stdout).not.toContain("\u001b[");
  });

  it("loads every model of a repository, those in ./models by itself", async () => {
    using folder = new TempFolder();
    const bytes = await import("node:fs").then(({ readFileSync }) =>
      readFileSync(`${MODELS}/m01-year-everyone/1/model.onnx`),
    );
    folder.write("models/a/1/model.onnx", bytes);
    folder.write("models/broken/1/model.onnx", "not a model");
    const { code, stdout } = await tutti(["doctor", ...FREE, "--json"], { cwd: folder.path });
    const { ok, findings } = JSON.parse(stdout);
    expect([code, ok]).toEqual([1, false]);
    expect(findings.slice(-2)).toMatchObject([
      { check: "model a", verdict: "ok" },
      { check: "model broken", verdict: "fail", found: expect.stringContaining("broken/1/model.onnx") },
    ]);
    expect(findings.at(-1).advice).toContain("export it again");
  });

  it("says of a port that is in use how to choose another, and of models that are not there how they should be", async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) => {
      server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
    });
    const { code, stdout } = await tutti([
      "doctor",
      "--port",
      String(port),
      "--admin-port",
      "0",
      "./no-such-models",
    ]);
    server.close();
    expect(code).toBe(1);
    expect(stdout).toContain(`fail  http port `);
    expect(stdout).toMatch(
      new RegExp(`127.0.0.1:${port} is in use\n +end what listens there, or choose another with --port\n`),
    );
    expect(stdout).toMatch(/fail {2}models in \.\/no-such-models .*no-such-models.*\n +name an \.onnx file/);
    expect(stdout).toMatch(/\n2 things would fail/);
  });

  it("knows that a folder's path is too long for sockets, which only fails when a node starts", async () => {
    using folder = new TempFolder();
    folder.write(`${"long/".repeat(20)}x`, "");
    const env = { TMPDIR: folder.at("long/".repeat(20)) };
    const { code, stdout } = await tutti(["doctor", ...FREE, "--json"], { env });
    expect(code).toBe(1);
    const finding = JSON.parse(stdout).findings.find(
      ({ check }: { check: string }) => check === "temporary folder",
    );
    expect(finding).toMatchObject({ verdict: "fail", advice: expect.stringContaining("TMPDIR") });
  });
});
