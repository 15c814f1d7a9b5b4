/** What Node says of a module that type stripping cannot run differs by its version: real files, really imported. */
import { execFile } from "node:child_process";
import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TuttiError } from "../errors/tutti-error.ts";
import { explainImportFailure } from "./explain-import-failure.ts";

const MODULES: Readonly<Record<string, string>> = {
  "enum.ts": "export enum Color { Red }\n",
  "parameter-property.ts": "export class A {\n  constructor(readonly x: number) {}\n}\n",
  "decorator.ts": "const d = (c: unknown) => c;\n@d\nclass A {}\nexport default A;\n",
  "namespace.ts": "namespace N { export const a = 1; }\nexport default N;\n",
  "import-equals.ts": 'import fs = require("node:fs");\nexport default fs;\n',
  "js-extension.ts": 'import { one } from "./good.js";\nexport default one;\n',
  "good.ts": "export interface T { a: number }\nexport const one: number = 1;\n",
  "type-import.ts": 'import { T } from "./good.ts";\nexport default 1 as unknown as T;\n',
  "require.ts": 'const fs = require("node:fs");\nexport default fs;\n',
  "dirname.ts": "export default __dirname;\n",
  "throws.ts": 'const x: number = 1;\nthrow new RangeError("boom at import");\nexport default x;\n',
  "throws-text.ts": 'throw "just words";\nexport default 1;\n',
  "rejects.ts": 'export default await Promise.reject(new Error("not today"));\n',
  "no-default.ts": "export const x = 1;\n",
  "other-default.ts": "export default { name: 'offers' };\n",
  "looks-right.ts": "export default { kind: 'tutti-application' };\n",
  "syntax.ts": "const x = 1;\nconst y = ;\nexport default x;\n",
  "missing-file.ts": 'import x from "./nowhere.ts";\nexport default x;\n',
  "missing-package.ts": 'import x from "not-installed";\nexport default x;\n',
  "missing-js-package.ts": 'import x from "not-installed.js";\nexport default x;\n',
  "imports-enum.ts": 'import "./enum.ts";\nexport default 1;\n',
};

let directory: string;
let failures: Readonly<Record<string, { code: string; started: string; message: string }>>;

beforeAll(async () => {
  directory = await realpath(await mkdtemp(path.join(tmpdir(), "tutti-import-")));
  const loader = new URL("./load-application.ts", import.meta.url).href;
  const names = Object.keys(MODULES);
  const child = `
    import { loadApplication } from ${JSON.stringify(loader)};
    const failures = {};
    for (const name of ${JSON.stringify(names)}) {
      try {
        await loadApplication(${JSON.stringify(directory)} + "/" + name);
      } catch ({ code, started, message }) {
        failures[name] = { code, started, message };
      }
    }
    process.stdout.write(JSON.stringify(failures));
  `;
  await Promise.all(names.map((name) => writeFile(path.join(directory, name), MODULES[name]!)));
  await writeFile(path.join(directory, "child.mjs"), child);
  const flags = ["--disable-warning=ExperimentalWarning"];
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...flags,
    path.join(directory, "child.mjs"),
  ]);
  failures = JSON.parse(stdout);
}, 60_000);

afterAll(() => rm(directory, { recursive: true, force: true }));

describe("an application module that cannot be imported", () => {
  it.each([
    ["enum.ts", "enum.ts:1", "write a union of literals, or const X = { … } as const"],
    [
      "parameter-property.ts",
      "parameter-property.ts:2",
      "declare the field and assign it in the constructor",
    ],
    [
      "decorator.ts",
      "decorator.ts:2",
      "if there is a decorator, write a plain call instead: Node does not run decorators",
    ],
    ["namespace.ts", "namespace.ts:1", "namespaces need a compiler; use a module"],
    ["import-equals.ts", "import-equals.ts:1", "use import … from and export default"],
    ["js-extension.ts", "js-extension.ts", "write './x.ts' for a TypeScript file, not './x.js'"],
    [
      "type-import.ts",
      "type-import.ts:1",
      "if that name is a type, import it as one: import type { … } or import { type … }",
    ],
    ["require.ts", "require.ts:1", "the file is an ES module: use import and export"],
    ["dirname.ts", "dirname.ts:1", "import.meta.dirname for __dirname"],
    ["missing-file.ts", "missing-file.ts", "check the path (with its extension), or install the package"],
    [
      "missing-package.ts",
      "missing-package.ts",
      "check the path (with its extension), or install the package",
    ],
    [
      "missing-js-package.ts",
      "missing-js-package.ts",
      "check the path (with its extension), or install the package",
    ],
    ["syntax.ts", "syntax.ts:2", "the file is not TypeScript that Node can strip"],
  ])("%s is told at its place, with what to write instead", (name, place, advice) => {
    const { code, started, message } = failures[name]!;
    expect({ code, started }).toEqual({ code: "ModuleLoadFailed", started: "no" });
    expect(message.startsWith(`${directory}/${place} cannot be imported: `)).toBe(true);
    expect(message).toContain(advice);
    expect(message).not.toContain("\n");
  });

  it("names the file that is at fault, not the one that imports it", () => {
    expect(
      failures["imports-enum.ts"]?.message.startsWith(`${directory}/enum.ts:1 cannot be imported: `),
    ).toBe(true);
  });

  it.each([
    ["throws.ts", "throws.ts:2 cannot be imported: boom at import"],
    ["throws-text.ts", "throws-text.ts cannot be imported: just words"],
    ["rejects.ts", "rejects.ts:1 cannot be imported: not today"],
  ])("%s throws at import: that is told, without advice that does not fit", (name, message) => {
    expect(failures[name]?.message).toBe(`${directory}/${message}`);
  });

  it.each(["no-default.ts", "other-default.ts", "good.ts"])(
    "%s has no application to export: it is told how to end",
    (name) => {
      expect(failures[name]?.message).toBe(
        `${directory}/${name}: it must end with: export default application({ … })`,
      );
    },
  );

  it("from another copy of tutti is told to run the one beside it", () => {
    expect(failures["looks-right.ts"]?.message).toContain("comes from another copy of tutti");
  });
});

describe("explainImportFailure", () => {
  const modulePath = fileURLToPath(import.meta.url);

  it("keeps the code of what the module's own calls into Tutti threw, and names the file", () => {
    const thrown = new TuttiError("DuplicateName", "two deployments are named Features");
    expect(explainImportFailure(modulePath, thrown)).toMatchObject({
      code: "DuplicateName",
      message: `${modulePath}: two deployments are named Features`,
      cause: thrown,
    });
  });

  it("does not name Tutti's own files, which Node's loader asks on its way", () => {
    const thrown = Object.assign(
      new TypeError('Module "app.json" needs an import attribute of "type: json"'),
      {
        code: "ERR_IMPORT_ATTRIBUTE_MISSING",
        stack: `TypeError: …\n    at load (file://${import.meta.dirname}/imported-files.js:18:10)`,
      },
    );
    expect(explainImportFailure("/app/app.json", thrown).message).toBe(
      '/app/app.json cannot be imported: Module "app.json" needs an import attribute of "type: json"; ' +
        "JSON is imported with an attribute: import data from './data.json' with { type: \"json\" }",
    );
  });

  it("explains even what is no error", () => {
    for (const thrown of [undefined, null, 5, {}]) {
      expect(explainImportFailure("/app.ts", thrown).message).toMatch(/^\/app\.ts cannot be imported: /);
    }
  });
});
