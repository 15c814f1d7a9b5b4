import { realpath, stat } from "node:fs/promises";
import path from "node:path";
import type { Fault, FaultPath } from "../config/fault.ts";

/**
 * Which modules may be deployed over the network. A path that comes from there becomes code that runs, so it has to lead,
 * with all links followed, to a file beneath the directory that the node was started with. Of anything outside of it
 * nothing is told, not even whether it is there.
 */
export class ModuleGuard {
  readonly #directory: string;

  /** @param directory absolute. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** @returns what is wrong with it, or nothing. */
  async faultOf(module: string, at: FaultPath): Promise<Fault | undefined> {
    const fault = (found: string): Fault => ({
      path: at,
      expected: `a module beneath ${this.#directory} (the node's --modules-dir)`,
      found,
    });
    const root = await realpath(this.#directory).catch(() => this.#directory);
    if (!isBeneath(this.#directory, module) && !isBeneath(root, module))
      return fault(`${module}, which is not`);
    let real: string;
    try {
      real = await realpath(module);
    } catch (thrown) {
      return fault(`${module}, which cannot be read (${codeOf(thrown)})`);
    }
    if (!isBeneath(root, real)) return fault(`${module}, a link that leads out of it`);
    const isFile = (await stat(real)).isFile();
    return isFile ? undefined : fault(`${module}, which is no file`);
  }
}

function isBeneath(directory: string, file: string): boolean {
  const relative = path.relative(directory, file);
  return relative !== "" && !path.isAbsolute(relative) && relative.split(path.sep)[0] !== "..";
}

const codeOf = (thrown: unknown): string =>
  thrown instanceof Error && "code" in thrown ? String(thrown.code) : "unknown";
