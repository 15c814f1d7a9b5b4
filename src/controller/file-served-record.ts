import { readFile } from "node:fs/promises";
import path from "node:path";
import type { ApplicationDefinition } from "../policy/desired-state.ts";
import { type FileCalls, replaceFile, systemFiles } from "./atomic-file.ts";
import type { ServedRecord } from "./served-record.ts";
import { storeFailure } from "./store-failure.ts";

/**
 * What is served, in a file beside the desired state. It is a note and no truth: without it a node begins with what is wanted, so one
 * that cannot be read counts as none.
 */
export class FileServedRecord implements ServedRecord {
  readonly #file: string;
  readonly #files: FileCalls;
  #written: string | undefined;

  /** @param directory one that this process has to itself, see `DirectoryLock`. */
  constructor(directory: string, files: FileCalls = systemFiles) {
    this.#file = path.join(directory, "served.json");
    this.#files = files;
  }

  async read(): Promise<readonly ApplicationDefinition[]> {
    try {
      const text = await readFile(this.#file, "utf8");
      // Only this class writes it, whole or not at all.
      const served = JSON.parse(text) as readonly ApplicationDefinition[];
      this.#written = text;
      return served;
    } catch {
      return [];
    }
  }

  /** @throws TuttiError `StoreFull` or `StoreFailed`. */
  async write(served: readonly ApplicationDefinition[]): Promise<void> {
    const text = `${JSON.stringify(served, undefined, 2)}\n`;
    if (text === this.#written) return;
    try {
      await replaceFile(this.#file, Buffer.from(text), this.#files);
    } catch (thrown) {
      throw storeFailure(this.#file, "written", thrown);
    }
    this.#written = text;
  }
}
