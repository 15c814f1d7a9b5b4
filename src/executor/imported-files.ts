import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";

/**
 * Files of the user's own that this process has imported from now on: what has to change for another start to see other code.
 * Packages are left out: they change by being installed, and there are many.
 */
export class ImportedFiles {
  readonly #files = new Set<string>();

  /** Begins to note them, for the rest of the process's life. */
  constructor() {
    registerHooks({
      load: (url, context, nextLoad) => {
        if (url.startsWith("file:") && !url.includes("/node_modules/")) this.#files.add(fileURLToPath(url));
        return nextLoad(url, context);
      },
    });
  }

  list(): readonly string[] {
    return [...this.#files];
  }
}
