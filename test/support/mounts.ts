import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";

/** File systems of a test's own, which only root can have; gone when it is disposed of. */
export class Mounts implements Disposable {
  readonly #mounted: string[] = [];

  /** A file system in memory of so many KiB. */
  tmpfs(directory: string, sizeKib: number): void {
    mkdirSync(directory, { recursive: true });
    this.#mount(directory, "-t", "tmpfs", "-o", `size=${sizeKib}k,mode=700`, "tmpfs", directory);
  }

  /** From now on nobody can write in a directory, who had a file open there apart. @returns makes it writable again. */
  readOnly(directory: string): () => void {
    // A mount in which a file is open cannot be made read-only; one over it can.
    this.#mount(directory, "--bind", directory, directory);
    execFileSync("mount", ["-o", "remount,bind,ro", directory]);
    return () => this.#unmount(directory);
  }

  [Symbol.dispose](): void {
    for (const directory of this.#mounted.toReversed()) this.#unmount(directory);
  }

  #mount(directory: string, ...args: readonly string[]): void {
    execFileSync("mount", args);
    this.#mounted.push(directory);
  }

  #unmount(directory: string): void {
    const at = this.#mounted.lastIndexOf(directory);
    if (at < 0) return;
    this.#mounted.splice(at, 1);
    // Also while somebody has a file open there.
    execFileSync("umount", ["--lazy", directory]);
  }
}
