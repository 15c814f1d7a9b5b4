import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { resolveFeatureStoreOptions } from "../../src/features/open-feature-store.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const entry = join(root, "src/features/open-feature-store.ts");
const guide = readFileSync(join(root, "docs/guides/features.md"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "tutti-guide-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("docs/guides/features.md", () => {
  it("has an example that runs", async () => {
    const example = /```ts\n([\s\S]*?)```/.exec(guide)?.[1] ?? "";
    const file = join(folder, "example.mts");
    writeFileSync(file, example.replace('"tutti"', JSON.stringify(entry)));
    const { stdout } = await run(process.execPath, ["--disable-warning=ExperimentalWarning", file], {
      cwd: folder,
    });
    expect(stdout).toMatch(
      /^Float32Array\(3\) \[.* 7, 1 ?\] false undefined \{ default: \{ rowsDefaulted: 0 \} \}/,
    );
  });

  it("lists every option with its default", () => {
    const vector = Float32Array.of(0);
    const common = { batching: {}, cache: {}, default: { vector } };
    const resolved = [
      resolveFeatureStoreOptions({ embedded: { path: "x" }, ...common }),
      resolveFeatureStoreOptions({ dynamodb: { table: "x" }, ...common }),
      resolveFeatureStoreOptions({ memory: {}, ...common }),
    ];
    for (const options of resolved) {
      for (const [part, values] of Object.entries(options)) {
        if (values === undefined) continue;
        const line = guide.split("\n").find((one) => one.startsWith(`| \`${part}\` |`)) ?? "";
        for (const [name, value] of Object.entries(values)) {
          expect(line, `${part}.${name}`).toContain(`\`${name}\``);
          if (typeof value !== "number" || name === "maxBytes") continue;
          expect(line, `${part}.${name}`).toMatch(new RegExp(`\`${name}\` \\(${value}[:)]`));
        }
      }
    }
  });
});

describe("a process that uses no DynamoDB", () => {
  it("loads neither the SDK nor, with rows in memory, SQLite", async () => {
    const file = join(folder, "loads.mts");
    writeFileSync(
      file,
      `import { registerHooks } from "node:module";
      const loaded: string[] = [];
      registerHooks({ resolve(name, context, next) { loaded.push(name); return next(name, context); } });
      const { openFeatureStore } = await import(${JSON.stringify(entry)});
      const { store } = await openFeatureStore({ memory: {}, batching: {}, cache: {} });
      await store.close();
      console.log(loaded.length > 5, loaded.filter((name) => /aws-sdk|smithy|node:sqlite/.test(name)));`,
    );
    const { stdout } = await run(process.execPath, ["--disable-warning=ExperimentalWarning", file]);
    expect(stdout).toBe("true []\n");
  });
});
