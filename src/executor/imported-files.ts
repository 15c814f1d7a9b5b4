import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";

/** Where this package's own modules are, built or not; linked packages are not beneath `node_modules`. */
const TUTTI = new URL("..", import.meta.url).href;

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
        const isOwn = url.startsWith("file:") && !url.includes("/node_modules/") && !url.startsWith(TUTTI);
        if (isOwn) this.#files.add(fileURLToPath(url));
        return nextLoad(url, context);
      },
    });
  }

  list(): readonly string[] {
    return [...this.#files];
  }
}
