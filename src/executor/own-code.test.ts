import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";

const OWN_CODE = new URL("./own-code.ts", import.meta.url).href;

let folder: string;
const at = (name: string): string => path.join(folder, name);
const write = (name: string, text: string): void => writeFileSync(at(name), text);

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "own-code-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What a process of its own sees that imports `app.ts` with that copy: its default export, and the names of what it imported. */
function importInProcess(copy = at("copy.json")): { value: unknown; files: string[] } {
  const program = `
    import { OwnCode } from ${JSON.stringify(OWN_CODE)};
    const code = new OwnCode();
    const { default: value } = await code.importAs(${JSON.stringify(copy)}, () => import(${JSON.stringify(at("app.ts"))}));
    process.stdout.write(JSON.stringify({ value, files: code.list() }));`;
  const flags = ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", program];
  return JSON.parse(
    execFileSync(process.execPath, flags, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }),
  );
}

const APP = `
import { greeting } from "./greeting.ts";
import data from "./data.json" with { type: "json" };
import old from "./old.cjs";
const here: string = import.meta.dirname;
export default [greeting, data.n, old.n, here.length > 0];
`;

function writeApp(): void {
  write("app.ts", APP);
  write("greeting.ts", `export const greeting: string = "hello";\n`);
  write("data.json", `{ "n": 1 }`);
  write("old.cjs", `module.exports = { n: require("./older.cjs") };\n`);
  write("older.cjs", "module.exports = 7;\n");
}

test("U1: who imports a version later runs the code of the first, whatever the files have become", () => {
  writeApp();
  const first = importInProcess();
  expect(first.value).toEqual(["hello", 1, 7, true]);
  write("greeting.ts", `export const greeting: string = "another";\n`);
  write("data.json", `{ "n": 2 }`);
  write("older.cjs", "module.exports = 8;\n");
  write("app.ts", "export default ;\n");
  const later = importInProcess();
  expect(later.value).toEqual(first.value);
  expect(later.files.toSorted()).toEqual(first.files.toSorted());
});

test("of TypeScript they run what the first has left without types, and strip nothing themselves", () => {
  writeApp();
  importInProcess();
  const copy = JSON.parse(readFileSync(at("copy.json"), "utf8"));
  const greeting = copy[pathToFileURL(at("greeting.ts")).href];
  expect(greeting.withoutTypes).not.toContain(": string");
  greeting.withoutTypes = greeting.withoutTypes.replace("hello", "stripped");
  write("copy.json", JSON.stringify(copy));
  expect(importInProcess().value).toEqual(["stripped", 1, 7, true]);
});

test("U1: also where the files are gone, but for CommonJS", () => {
  writeApp();
  const { value } = importInProcess();
  for (const name of ["app.ts", "greeting.ts", "data.json"]) rmSync(at(name));
  expect(importInProcess().value).toEqual(value);
});

test("another version, which has no copy yet, runs what the files are", () => {
  writeApp();
  importInProcess();
  write("greeting.ts", `export const greeting: string = "another";\n`);
  expect(importInProcess(at("copy-2.json")).value).toEqual(["another", 1, 7, true]);
});

test("a copy is made of what could be imported, and only then", () => {
  write("app.ts", "export default ;\n");
  expect(() => importInProcess()).toThrow(/Expression expected|Unexpected token/);
  expect(() => readFileSync(at("copy.json"))).toThrow(/ENOENT/);
  writeApp();
  importInProcess();
  expect(Object.keys(JSON.parse(readFileSync(at("copy.json"), "utf8")))).toHaveLength(5);
});

test("a copy that cannot be written fails the import by name", () => {
  writeApp();
  expect(() => importInProcess(at("no/such/folder/copy.json"))).toThrow(/could not be kept in/);
});
