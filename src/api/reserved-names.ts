/** Methods that a handle has itself (`with`), or that would make it a promise (`then`). */
export const HANDLE_NAMES: ReadonlySet<string> = new Set(["with", "then"]);

/** Called by the runtime, never through a handle. */
export const LIFECYCLE_HOOKS: ReadonlySet<string> = new Set(["constructor", "reconfigure", "checkHealth"]);
