import { createHash } from "node:crypto";
import { type FSWatcher, watch } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";

/** Editors write a file in several steps: what comes within so long is one change. */
const SETTLE_MS = 60;
/** What code is made of, also where it is not known yet that it will be imported. */
const CODE = /\.(?:[cm]?[jt]s|json|onnx)$/;
/** A file in the folder of one version of a model, as repositories have them: the next version is a folder beside it. */
const MODEL_VERSION = /^(.+)[/\\][1-9]\d*[/\\](model\.onnx)$/;
const VERSION = /^[1-9]\d*$/;
const MISSING = "missing";

/**
 * Tells when what an application was made from is not what it was. Directories are watched rather than files, since many editors
 * put another file in the place of the old one; contents are compared, since a file that was only touched is no change.
 */
export class WatchFiles {
  readonly #onChange: () => void;
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #hashes = new Map<string, string>();
  /** Not looked at yet. */
  readonly #seen = new Set<string>();
  #files = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** @param files absolute. From now on these, new code beside them, and new versions of models. */
  async follow(files: readonly string[]): Promise<void> {
    this.#files = new Set(files);
    for (const file of files) {
      this.#watchFiles(path.dirname(file));
      const [, model, name] = MODEL_VERSION.exec(file) ?? [];
      if (model !== undefined && name !== undefined) this.#watchVersions(model, name);
    }
    // Of those known before, what was seen last stays: what has changed since is still to be told.
    const unknown = files.filter((file) => !this.#hashes.has(file));
    await Promise.all(unknown.map(async (file) => this.#hashes.set(file, await hashOf(file))));
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
  }

  #watchFiles(directory: string): void {
    this.#watch(directory, (name) => {
      const file = name === null ? undefined : path.join(directory, name);
      if (file !== undefined && !this.#files.has(file) && !CODE.test(file)) return;
      this.#saw(file);
    });
  }

  /** @param model the folder that has a folder for each version. @param file its name in each. */
  #watchVersions(model: string, file: string): void {
    this.#watch(model, (name) => {
      if (name === null || !VERSION.test(name)) return;
      const version = path.join(model, name);
      this.#watchFiles(version);
      this.#saw(path.join(version, file));
    });
  }

  #watch(directory: string, onEvent: (name: string | null) => void): void {
    if (this.#watchers.has(directory)) return;
    let watcher: FSWatcher;
    try {
      watcher = watch(directory, (_, name) => onEvent(name));
    } catch {
      // It is gone again; its files are missed when they are imported next.
      return;
    }
    const forget = () => {
      watcher.close();
      this.#watchers.delete(directory);
    };
    watcher.on("error", forget);
    this.#watchers.set(directory, watcher);
  }

  #saw(file: string | undefined): void {
    if (file !== undefined) this.#seen.add(file);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#compare(), SETTLE_MS);
  }

  async #compare(): Promise<void> {
    const looked = new Set([...this.#files, ...this.#seen]);
    this.#seen.clear();
    let hasChanged = false;
    for (const file of looked) {
      const hash = await hashOf(file);
      if ((this.#hashes.get(file) ?? MISSING) !== hash) hasChanged = true;
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
    return MISSING;
  }
}
