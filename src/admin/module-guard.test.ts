import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ModuleGuard } from "./module-guard.ts";

let folder: string;
const at = (...parts: string[]) => path.join(folder, ...parts);

beforeAll(() => {
  folder = realpathSync(mkdtempSync(path.join(tmpdir(), "tutti-modules-")));
  mkdirSync(at("modules/releases/7"), { recursive: true });
  mkdirSync(at("modules-of-others"));
  for (const file of ["secret.ts", "modules/app.ts", "modules/releases/7/app.ts", "modules-of-others/app.ts"])
    writeFileSync(at(file), "");
  symlinkSync(at("secret.ts"), at("modules/link.ts"));
  symlinkSync("..", at("modules/up"));
  symlinkSync("releases/7", at("modules/current"));
  symlinkSync("nowhere.ts", at("modules/dangling.ts"));
  symlinkSync("modules", at("alias"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const verdictOn = async (module: string, directory = "modules") =>
  (await new ModuleGuard(at(directory)).faultOf(module, ["module"]))?.found;

describe("a module that comes over the network", () => {
  it.each(["modules/app.ts", "modules/releases/7/app.ts", "modules/current/app.ts", "modules/..app.ts"])(
    "may be %s",
    async (file) => {
      if (file.endsWith("..app.ts")) writeFileSync(at(file), "");
      expect(await verdictOn(at(file))).toBeUndefined();
    },
  );

  it("may be named by either name of a directory that is a link", async () => {
    expect(await verdictOn(at("alias/app.ts"), "alias")).toBeUndefined();
    expect(await verdictOn(at("modules/app.ts"), "alias")).toBeUndefined();
  });

  it.each([
    ["modules/link.ts", "a link that leads out of it"],
    ["modules/up/secret.ts", "a link that leads out of it"],
    ["modules/up/modules-of-others/app.ts", "a link that leads out of it"],
    ["modules/dangling.ts", "which cannot be read (ENOENT)"],
    ["modules/nothing.ts", "which cannot be read (ENOENT)"],
    ["modules/releases", "which is no file"],
    ["modules", "which is not"],
    ["secret.ts", "which is not"],
    ["modules-of-others/app.ts", "which is not"],
  ])("may not be %s", async (file, found) => {
    expect(await verdictOn(at(file))).toBe(`${at(file)}, ${found}`);
  });

  it("may not be what leads out by its dots; whether that is there is not told", async () => {
    const outside = path.resolve(at("modules"), "../secret.ts");
    const nothing = path.resolve(at("modules"), "../no-secret.ts");
    expect(await verdictOn(outside)).toBe(`${outside}, which is not`);
    expect(await verdictOn(nothing)).toBe(`${nothing}, which is not`);
  });

  it("may be none where the directory is not there", async () => {
    expect(await verdictOn(at("gone/app.ts"), "gone")).toContain("cannot be read");
  });
});
