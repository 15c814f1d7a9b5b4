import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

export const REPOSITORY = path.resolve(import.meta.dirname, "../..");

/** A folder of a test's own, gone when it is disposed of. */
export class TempFolder implements Disposable {
  readonly path = mkdtempSync(path.join(tmpdir(), "tutti-test-"));

  /** A folder in which modules can `import … from "tutti"`. */
  static withTutti(): TempFolder {
    const folder = new TempFolder();
    mkdirSync(folder.at("node_modules"));
    symlinkSync(REPOSITORY, folder.at("node_modules/tutti"), "dir");
    writeFileSync(folder.at("package.json"), '{ "type": "module" }\n');
    return folder;
  }

  at(...parts: string[]): string {
    return path.join(this.path, ...parts);
  }

  write(name: string, contents: string | Uint8Array): string {
    const file = this.at(name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, contents);
    return file;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
