import { createHash } from "node:crypto";
import { type FSWatcher, watch } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";

/** Editors write a file in several steps: what comes within so long is one change. */
const SETTLE_MS = 60;
/** What code is made of, also where it is not known yet that it will be imported. */
const CODE = /\.(?:[cm]?[jt]s|json|onnx)$/;

/**
 * Tells when what an application was made from is not what it was. Directories are watched rather than files, since many editors
 * put another file in the place of the old one; contents are compared, since a file that was only touched is no change.
 */
export class WatchFiles {
  readonly #onChange: () => void;
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #hashes = new Map<string, string>();
  #files = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** @param files absolute. From now on these, and new code beside them. */
  async follow(files: readonly string[]): Promise<void> {
    this.#files = new Set(files);
    for (const directory of new Set(files.map((file) => path.dirname(file)))) {
      if (this.#watchers.has(directory)) continue;
      const watcher = watch(directory, (_, name) => this.#seen(directory, name));
      // A directory that is gone is not watched any more; its files are missed when they are imported next.
      watcher.on("error", () => watcher.close());
      this.#watchers.set(directory, watcher);
    }
    await Promise.all(files.map(async (file) => this.#hashes.set(file, await hashOf(file))));
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
  }

  #seen(directory: string, name: string | null): void {
    const file = name === null ? undefined : path.join(directory, name);
    if (file !== undefined && !this.#files.has(file) && !CODE.test(file)) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#compare(file), SETTLE_MS);
  }

  async #compare(seen: string | undefined): Promise<void> {
    const looked = new Set([...this.#files, ...(seen === undefined ? [] : [seen])]);
    let hasChanged = false;
    for (const file of looked) {
      const hash = await hashOf(file);
      if (this.#hashes.get(file) !== hash) hasChanged = true;
      this.#hashes.set(file, hash);
    }
    if (hasChanged) this.#onChange();
  }
}

/** Of a file that is not there, a text that no other has. */
async function hashOf(file: string): Promise<string> {
  try {
    return createHash("sha256")
      .update(await readFile(file))
      .digest("hex");
  } catch {
    return "missing";
  }
}
