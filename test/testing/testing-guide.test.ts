/** The example of docs/guides/testing.md, run as its reader runs it; and a model's own file in a simulated world. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { application, deployment, type Handle, type OnnxModel, onnxModel, Tensor } from "tutti";
import { simulate } from "tutti/testing";
import { afterAll, expect, test } from "vitest";
import { loadModelSession } from "../../src/onnx/model-session.ts";
import { treeModel, writeModel } from "../onnx/model-proto.ts";
import { REPOSITORY, TempFolder } from "../support/temp-folder.ts";

const folder = TempFolder.withTutti();
afterAll(() => folder[Symbol.dispose]());

test("the guide's test passes, all five of it", async () => {
  const guide = readFileSync(`${REPOSITORY}/docs/guides/testing.md`, "utf8");
  for (const file of ["app.ts", "app.test.ts"]) {
    const source = guide.split("```ts\n").find((block) => block.startsWith(`// ${file}`));
    if (source === undefined) throw new Error(`the guide has no example ${file}`);
    folder.write(file, source.slice(0, source.indexOf("\n```")));
  }
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, ["--test", "--test-reporter=tap", "app.test.ts"], {
    cwd: folder.path,
    // Vitest's own: they are not for a process that it has not started.
    env: { PATH: process.env["PATH"] },
  });
  expect(stdout).toMatch(/^# pass 5$/m);
  expect(stdout).toMatch(/^# fail 0$/m);
});

class Scorer {
  readonly #trees: Handle<OnnxModel>;
  constructor(trees: Handle<OnnxModel>) {
    this.#trees = trees;
  }

  async score({ row }: { row: number[] }) {
    const outputs = await this.#trees.predict(new Tensor("float32", Float32Array.from(row), [1, row.length]));
    return Object.values(outputs).map(({ data, dims }) => ({ data: [...data].map(Number), dims }));
  }
}

const applicationOf = (path: string) =>
  application({
    name: "trees",
    ingress: deployment(Scorer).bind(onnxModel({ name: "trees", path })),
    http: { "POST /score": "score" },
  });

/** 200 ms of virtual time a run, and the file's own output. */
const FILE = { models: { trees: { costMs: () => 200, run: "file" } } } as const;

test("a model runs its own file where that is asked for: right answers, for the time that is said", async () => {
  const path = writeModel(folder.at("trees.onnx"), treeModel({ trees: 20, depth: 4, features: 3, seed: 3 }));
  await using world = await simulate(applicationOf(path), FILE);
  const session = await loadModelSession({ name: "trees", path }, {});
  const rows = [
    [0.1, 0.9, 0.4],
    [0.8, 0.2, 0.6],
  ];
  const answers = rows.map((row) => world.request({ path: "/score", body: { row } }));
  const told = new Set<string>();
  for (const [at, row] of rows.entries()) {
    const [input] = session.metadata.inputs;
    const outputs = await session.run({
      [input!.name]: new Tensor("float32", Float32Array.from(row), [1, 3]),
    });
    const expected = Object.values(outputs).map(({ data, dims }) => ({ data: [...data].map(Number), dims }));
    const { status, body, latencyMs } = await answers[at]!;
    expect([status, body]).toEqual([200, expected]);
    expect(latencyMs).toBeGreaterThanOrEqual(200);
    told.add(JSON.stringify(body));
  }
  expect(told.size).toBe(2);
  await session.close();
  // What it takes is the file's too.
  const wrong = await world.request({ path: "/score", body: { row: [1] } });
  expect([wrong.status, wrong.body]).toMatchObject([400, { error: { code: "TensorMismatch" } }]);
});

test("a model whose file is not there keeps the application from starting, as in production", async () => {
  await expect(simulate(applicationOf(folder.at("none.onnx")), FILE)).rejects.toMatchObject({
    code: expect.stringMatching(/ModelNotFound|StartFailed/),
    message: expect.stringContaining("none.onnx"),
  });
});
