import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { type FileCalls, systemFiles } from "./atomic-file.ts";
import { FileStateStore } from "./file-state-store.ts";
import { application, describeStateStore } from "./state-store.conformance.ts";

const folders: string[] = [];
const folder = (): string => {
  const made = mkdtempSync(path.join(tmpdir(), "tutti-state-"));
  folders.push(made);
  return made;
};
afterAll(() => {
  for (const made of folders) rmSync(made, { recursive: true, force: true });
});

describeStateStore("a file", () => FileStateStore.open(folder()));

const ONE = [application("one")];
const TWO = [application("one"), application("two")];

const failure = (code: string) => Object.assign(new Error(`${code}: planted`), { code });

/** The nth call of the file system fails, counted from when it is armed; every later one works. */
class FailingFiles implements FileCalls {
  failAt = Number.POSITIVE_INFINITY;
  calls = 0;
  code = "EIO";

  async #call<T>(make: () => Promise<T>): Promise<T> {
    this.calls += 1;
    if (this.calls === this.failAt) throw failure(this.code);
    return make();
  }
  arm(failAt: number, code = "EIO"): void {
    this.failAt = failAt;
    this.calls = 0;
    this.code = code;
  }
  async open(file: string, flags: string, mode?: number) {
    const handle = await this.#call(() => systemFiles.open(file, flags, mode));
    return {
      writeFile: (bytes: Uint8Array) => this.#call(() => handle.writeFile(bytes)),
      sync: () => this.#call(() => handle.sync()),
      // It is closed whether that is told or not.
      close: async () => {
        await handle.close();
        await this.#call(async () => {});
      },
    };
  }
  rename = (from: string, to: string) => this.#call(() => systemFiles.rename(from, to));
  remove = (file: string) => this.#call(() => systemFiles.remove(file));
}

describe("a state file", () => {
  it("is there for the next process that has the directory", async () => {
    const directory = path.join(folder(), "not", "there", "yet");
    const first = await FileStateStore.open(directory);
    await first.compareAndSet(0, TWO);
    await first.close();
    const second = await FileStateStore.open(directory);
    expect(await second.read()).toEqual({ revision: 1, applications: TWO });
    await second.close();
  });

  it("is read again when it was written, by whomever, and not before", async () => {
    const directory = folder();
    const store = await FileStateStore.open(directory);
    await store.compareAndSet(0, ONE);
    await restingIn(store);
    const there = await store.read();
    expect(await store.read()).toBe(there);
    await store.compareAndSet(1, TWO);
    expect(await store.read()).toEqual({ revision: 2, applications: TWO });
    await restingIn(store);
    const file = path.join(directory, "state.json");
    writeFileSync(file, readFileSync(file));
    expect(await store.read()).toEqual({ revision: 2, applications: TWO });
    await store.close();
  });

  it("and its directory are for this user alone, and people can read it", async () => {
    const directory = path.join(folder(), "state");
    const store = await FileStateStore.open(directory);
    await store.compareAndSet(0, ONE);
    await store.close();
    expect(statSync(directory).mode & 0o077).toBe(0);
    expect(statSync(path.join(directory, "state.json")).mode & 0o077).toBe(0);
    expect(readFileSync(path.join(directory, "state.json"), "utf8")).toContain('\n      "name": "one",\n');
  });

  it("has one node: another one is refused until the first has gone", async () => {
    const directory = folder();
    const first = await FileStateStore.open(directory);
    await expect(FileStateStore.open(directory)).rejects.toMatchObject({ code: "StoreLocked" });
    await first.close();
    await (await FileStateStore.open(directory)).close();
  });

  it("is the old one whichever call of the file system fails, and the next change succeeds (ST1, ST3)", async () => {
    const files = new FailingFiles();
    files.arm(Number.POSITIVE_INFINITY);
    const counting = await FileStateStore.open(folder(), files);
    await counting.compareAndSet(0, ONE);
    await counting.close();
    const { calls } = files;
    expect(calls).toBeGreaterThanOrEqual(8);
    for (let failAt = 1; failAt <= calls; failAt++) {
      const directory = folder();
      const store = await FileStateStore.open(directory, files);
      files.arm(Number.POSITIVE_INFINITY);
      await store.compareAndSet(0, ONE);
      files.arm(failAt);
      await expect(store.compareAndSet(1, TWO), `call ${failAt}`).rejects.toMatchObject({
        code: "StoreFailed",
      });
      // Once it has its name the change is there; only that it would outlast the machine is not known.
      const named = failAt > 6;
      const there = await store.read();
      expect(there, `call ${failAt}`).toEqual(
        named ? { revision: 2, applications: TWO } : { revision: 1, applications: ONE },
      );
      expect(readdirSync(directory).sort(), `call ${failAt}`).toEqual(["lock", "state.json"]);
      expect(await store.compareAndSet(there.revision, [])).toMatchObject({ kind: "stored" });
      await store.close();
    }
  });

  it.each([
    ["ENOSPC", "StoreFull"],
    ["EDQUOT", "StoreFull"],
    ["EROFS", "StoreFailed"],
    ["EACCES", "StoreFailed"],
  ])("that cannot be written because of %s is refused as %s, naming the file", async (code, named) => {
    const files = new FailingFiles();
    const directory = folder();
    const store = await FileStateStore.open(directory, files);
    await store.compareAndSet(0, ONE);
    files.arm(3, code);
    await expect(store.compareAndSet(1, TWO)).rejects.toMatchObject({
      code: named,
      message: expect.stringContaining(path.join(directory, "state.json")),
    });
    expect(await store.read()).toEqual({ revision: 1, applications: ONE });
    await store.close();
  });
});

/** From then on what was read is not read again until it is another file. */
async function restingIn(store: FileStateStore): Promise<void> {
  await vi.waitUntil(async () => {
    const before = await store.read();
    return before === (await store.read());
  });
}

describe.each([
  ["at once", async () => {}],
  ["when it was read before", restingIn],
] as const)("a state file that somebody else has touched, %s", (_, rest) => {
  const broken = async (touch: (file: string) => void) => {
    const directory = folder();
    const store = await FileStateStore.open(directory);
    await store.compareAndSet(0, TWO);
    await rest(store);
    touch(path.join(directory, "state.json"));
    return { store, directory };
  };

  it.each([
    ["has one byte more", (file: string) => appendFileSync(file, " ")],
    ["is cut off", (file: string) => writeFileSync(file, readFileSync(file).subarray(0, -20))],
    ["is empty", (file: string) => writeFileSync(file, "")],
    ["is something else", (file: string) => writeFileSync(file, "{}\n{}\n")],
    [
      "has another value",
      (file: string) => writeFileSync(file, readFileSync(file, "utf8").replace("tower", "racer")),
    ],
    ["is of a format to come", (file: string) => writeFileSync(file, '{"tutti":"x","format":2}\n{}\n')],
    ["is gone", (file: string) => rmSync(file)],
  ])("%s is neither read nor written over, nor taken at the next start", async (_, touch) => {
    const { store, directory } = await broken(touch);
    await expect(store.read()).rejects.toMatchObject({ code: "StoreDamaged" });
    await expect(store.compareAndSet(1, ONE)).rejects.toMatchObject({ code: "StoreDamaged" });
    await store.close();
    if (!readdirSync(directory).includes("state.json")) return;
    await expect(FileStateStore.open(directory)).rejects.toMatchObject({ code: "StoreDamaged" });
    // Whoever was refused holds nothing: it can be mended and opened.
    rmSync(path.join(directory, "state.json"));
    await (await FileStateStore.open(directory)).close();
  });

  it("is of an older revision: a node that runs does not go back", async () => {
    const { store, directory } = await broken(() => {});
    const old = readFileSync(path.join(directory, "state.json"));
    await store.compareAndSet(1, ONE);
    writeFileSync(path.join(directory, "state.json"), old);
    await expect(store.read()).rejects.toThrow(/expected revision 2 or later, found revision 1/);
    await store.close();
  });
});

describe("a directory that cannot have a state", () => {
  it("is refused by name", async () => {
    const file = path.join(folder(), "file");
    writeFileSync(file, "");
    for (const directory of [file, path.join(file, "below")]) {
      await expect(FileStateStore.open(directory)).rejects.toMatchObject({
        code: "StoreFailed",
        message: expect.stringContaining(directory),
      });
    }
  });
});
