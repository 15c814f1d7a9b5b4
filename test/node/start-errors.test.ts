import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeModel, identityModel } from "../onnx/model-proto.ts";
import { HttpClient } from "../support/http-client.ts";
import { TempFolder } from "../support/temp-folder.ts";
import { TuttiProcess } from "../support/tutti-process.ts";

const folder = TempFolder.withTutti();
const model = encodeModel(identityModel("float32"));

beforeAll(() => {
  folder.write("good.onnx", model);
  folder.write("text.onnx", "this is a shopping list, not a model\n");
  folder.write("empty.onnx", "");
  folder.write("truncated.onnx", model.subarray(0, Math.floor(model.length / 2)));
  folder.write("twins/Same/1/model.onnx", model);
  folder.write("twins/same/1/model.onnx", model);
  folder.write("one/same/1/model.onnx", model);
  folder.write("other/same/1/model.onnx", model);
  folder.write("hollow/m1/1/readme.txt", "the model was not copied");
});

afterAll(() => folder[Symbol.dispose]());

const SMALL = ["--port", "0", "--lanes", "1", "--code-executors", "1", "--spares", "0"];

/** Starts it, waits for its end, and checks what every start error has in common. */
async function failedStart(module: string, args: readonly string[] = SMALL) {
  await using launched = new TuttiProcess(module, { args });
  const code = await launched.endedByItself();
  const { stderr } = launched;
  expect(launched.stdout).toBe("");
  expect(stderr, "a stack is for bugs of ours, not for mistakes of theirs").not.toMatch(/^\s+at .*\(?file:/m);
  const message = stderr
    .split("\n")
    .filter((line) => line.startsWith("tutti: ") && !line.includes("starting"));
  expect(message, stderr).toHaveLength(1);
  return { code, message: message[0] ?? "", stderr };
}

/** An application whose only class is `Front`, with something wrong. */
const app = (top: string, options = "", bind = ""): string => `
import { application, deployment, modelRepository, onnxModel } from "tutti";
${top}
export default application({
  name: "bad",
  ingress: deployment(Front${options === "" ? "" : `, ${options}`}).bind(${bind}),
  http: { "GET /": "get" },
});
`;

const FRONT = "class Front { constructor(...used: unknown[]) {} get() { return 1; } }";

interface Mistake {
  readonly name: string;
  readonly code: number;
  readonly source: string;
  /** All of these are in the message. */
  readonly says: readonly (string | RegExp)[];
}

const MODULE_MISTAKES: readonly Mistake[] = [
  {
    name: "throws",
    code: 3,
    source: 'throw new Error("the disk of dreams is full");',
    says: [/throws\.ts:1/, "the disk of dreams is full"],
  },
  {
    name: "throws-from-below",
    code: 3,
    source: 'import "./below.ts";',
    says: [/below\.ts:1/, "from below"],
  },
  {
    name: "enum",
    code: 3,
    source: app(`enum Colour { Red }\nconsole.log(Colour.Red);\n${FRONT}`),
    says: [/enum\.ts/, /union of literals/],
  },
  {
    name: "parameter-property",
    code: 3,
    source: app("class Front { constructor(private readonly x = 1) {} get() { return this.x; } }"),
    says: [/parameter-property\.ts/, /assign it in the constructor/],
  },
  {
    name: "namespace",
    code: 3,
    source: app(`namespace Colours { export const red = 1; }\nconsole.log(Colours.red);\n${FRONT}`),
    says: [/namespace\.ts/, /use a module/],
  },
  {
    name: "decorator",
    code: 3,
    source: app("const seen = (of: unknown) => of;\n@seen\nclass Front { get() { return 1; } }"),
    says: [/decorator\.ts/, /decorator/],
  },
  {
    name: "js-for-ts",
    code: 3,
    source: 'import "./below.js";',
    says: [/js-for-ts\.ts/, /below\.js/, "write './x.ts'"],
  },
  {
    name: "missing-import",
    code: 3,
    source: 'import "./nowhere.ts";',
    says: [/missing-import\.ts/, /nowhere\.ts/, "check the path"],
  },
  {
    name: "missing-package",
    code: 3,
    source: 'import "a-package-that-is-not-there";',
    says: [/missing-package\.ts/, "a-package-that-is-not-there", "install the package"],
  },
  {
    name: "type-as-value",
    code: 3,
    source: app(`import { Handle } from "tutti";\nexport type X = Handle<Front>;\n${FRONT}`),
    says: [/type-as-value\.ts/, "Handle", "import type"],
  },
  {
    name: "common-js",
    code: 3,
    source: 'const fs = require("node:fs");\nmodule.exports = fs;',
    says: [/common-js\.ts/, "use import and export"],
  },
  {
    name: "syntax",
    code: 3,
    source: "export default application({ name: );",
    says: [/syntax\.ts/],
  },
  {
    name: "no-default",
    code: 3,
    source: "export const app = 1;",
    says: [/no-default\.ts/, "export default application"],
  },
  {
    name: "wrong-default",
    code: 3,
    source: "export default { name: 'x' };",
    says: ["export default application"],
  },
  {
    name: "unknown-option",
    code: 2,
    source: app(FRONT, "{ replica: 2 } as object"),
    says: [/unknown-option\.ts/, "Front", "unknown option replica", "replicas"],
  },
  {
    name: "bad-replicas",
    code: 2,
    source: app(FRONT, "{ replicas: -1 }"),
    says: ["Front", "replicas", "-1"],
  },
  {
    name: "no-such-method",
    code: 2,
    source: app("class Front { other() { return 1; } }").replace('"get" }', '"get" as "other" }'),
    says: ["GET /", '"get"', "other"],
  },
  {
    name: "two-deployments-of-one-name",
    code: 2,
    source: app(
      `${FRONT}\nclass Helper { get() { return 1; } }`,
      "",
      "deployment(Helper).bind(), deployment(Helper).bind()",
    ),
    says: ["bad", "two deployments are named Helper"],
  },
  {
    name: "two-models-of-one-name",
    code: 2,
    source: app(
      FRONT,
      "",
      'onnxModel({ name: "m", path: "good.onnx" }), onnxModel({ name: "m", path: "one/same/1/model.onnx" })',
    ),
    says: ["two deployments are named m"],
  },
  {
    name: "two-repositories-with-one-name",
    code: 2,
    source: app(FRONT, "", 'modelRepository("one"), modelRepository("other")'),
    says: ["two deployments are named same"],
  },
  {
    name: "names-that-differ-in-case",
    code: 2,
    source: app(FRONT, "", 'modelRepository("twins")'),
    says: ["twins", "Same", "same"],
  },
  {
    name: "no-repository",
    code: 4,
    source: app(FRONT, "", 'modelRepository("no-such-folder")'),
    says: ["no-such-folder", "there is no such folder"],
  },
  {
    name: "hollow-repository",
    code: 4,
    source: app(FRONT, "", 'modelRepository("hollow")'),
    says: ["hollow", "model.onnx"],
  },
  {
    name: "no-model",
    code: 4,
    source: app(FRONT, "", 'onnxModel({ name: "gone", path: "gone.onnx" })'),
    says: ["gone.onnx"],
  },
  {
    name: "model-is-text",
    code: 4,
    source: app(FRONT, "", 'onnxModel({ name: "list", path: "text.onnx" })'),
    says: ["text.onnx"],
  },
  {
    name: "model-is-empty",
    code: 4,
    source: app(FRONT, "", 'onnxModel({ name: "nil", path: "empty.onnx" })'),
    says: ["empty.onnx"],
  },
  {
    name: "model-is-truncated",
    code: 4,
    source: app(FRONT, "", 'onnxModel({ name: "half", path: "truncated.onnx" })'),
    says: ["truncated.onnx"],
  },
  {
    name: "constructor-throws",
    code: 1,
    source: app('class Front { constructor() { throw new Error("no luck today"); } get() { return 1; } }'),
    says: ["Front could not be built", "no luck today"],
  },
  {
    name: "create-rejects",
    code: 1,
    source: app(
      'class Front { static async create(): Promise<Front> { throw new Error("no luck either"); } get() { return 1; } }',
    ),
    says: ["Front could not be built", "no luck either"],
  },
  {
    name: "reconfigure-is-missing",
    code: 1,
    source: app(FRONT, "{ userConfig: { a: 1 } }"),
    says: ["Front could not be built", "reconfigure"],
  },
  {
    name: "exits",
    code: 1,
    source: app("class Front { constructor() { process.exit(7); } get() { return 1; } }"),
    says: ["Front", "7"],
  },
];

describe("an application module does not start, and the message names the culprit, when it", () => {
  beforeAll(() => {
    folder.write("below.ts", 'throw new Error("from below");');
    for (const { name, source } of MODULE_MISTAKES) folder.write(`${name}.ts`, source);
  });

  test.each(MODULE_MISTAKES)("has the mistake $name (exit code $code)", async ({ name, code, says }) => {
    const failed = await failedStart(folder.at(`${name}.ts`));
    for (const words of says) expect(failed.message).toMatch(words);
    expect(failed.code).toBe(code);
  });

  test("builds another graph each time it is imported", async () => {
    const module = folder.write(
      "random.ts",
      app(FRONT, "{ replicas: 2 }").replace('name: "bad"', 'name: "bad", version: `v$' + "{process.pid}`"),
    );
    const { code, message } = await failedStart(module, ["--port", "0", "--code-executors", "2"]);
    expect(message).toMatch(/random\.ts built another graph/);
    expect(code).toBe(3);
  });
});

describe("the command line", () => {
  test("says that a module does not exist", async () => {
    const { code, message } = await failedStart(folder.at("nowhere.ts"));
    expect(message).toContain(folder.at("nowhere.ts"));
    expect(code).toBe(3);
  });

  test("says that a folder is no module", async () => {
    const { code, message } = await failedStart(folder.at("one"));
    expect(message).toContain(folder.at("one"));
    expect(code).toBe(3);
  });

  test.each([
    ["an unknown option", ["--prot", "0"], "--prot"],
    ["a port that is no number", ["--port", "eighty"], "--port"],
    ["a port out of range", ["--port", "70000"], "http.port"],
    ["no lanes", ["--lanes", "0"], "lanes"],
    ["an unknown log level", ["--port", "0", "--log-level", "loud"], "log-level"],
  ])("refuses %s with exit code 2", async (_, args, culprit) => {
    await using launched = new TuttiProcess(folder.write("good.ts", app(FRONT)), { args });
    expect(await launched.endedByItself(), launched.stderr).toBe(2);
    expect(launched.stderr).toContain(culprit);
    expect(launched.stderr).not.toMatch(/^\s+at /m);
  });

  test("says at once that the port is in use, and leaves its owner alone", async () => {
    const owner = createServer((socket) => socket.end());
    await new Promise<void>((resolve) => owner.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = owner.address() as { port: number };
      const { code, message } = await failedStart(folder.write("good.ts", app(FRONT)), [
        "--port",
        String(port),
      ]);
      expect(message).toContain(String(port));
      expect(code).toBe(5);
      expect(owner.listening).toBe(true);
    } finally {
      await new Promise((resolve) => owner.close(resolve));
    }
  });

  test("disturbs no other node: one that serves goes on while another fails beside it", async () => {
    const good = folder.write("good.ts", app(FRONT));
    await using serving = await TuttiProcess.ready(good, { args: SMALL });
    using client = new HttpClient(serving.port);
    await failedStart(good, ["--port", String(serving.port)]);
    expect((await client.get("/")).json).toBe(1);
    await serving.stopped();
  });
});
