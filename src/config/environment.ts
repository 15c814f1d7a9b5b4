/**
 * The only reader and writer of the process's environment.
 */

/**
 * ONNX Runtime 1.30 reports its use to its makers unless it is told not to before it starts, which costs each process a
 * thread, start-up time and files in the temporary folder. Who wants that sets the variable to 0.
 */
const DEFAULTS: Readonly<Record<string, string>> = { ORT_DISABLE_TELEMETRY: "1" };

/**
 * For the Node of each executor: the young generation of its heap has an upper bound of its own. By default that grows
 * with the machine's memory. Measured under load with 8, 12, 16 and 32 MB: with 8 much of what a call needs for a
 * moment survives into the old generation, which costs processor time; 16 cost memory and saved none; with 32 an answer
 * cost 4 % less, and the example's processes had 30 MB more. What the user gives in `NODE_OPTIONS` comes after it, and so wins.
 */
const EXECUTOR_NODE_OPTIONS = "--max-semi-space-size=12";

/**
 * Of the C library's allocator, for executors: one heap for all threads. They have one that works; every heap more is
 * memory that is kept for threads which only start models. Who wants more sets the variable.
 */
const EXECUTOR_DEFAULTS: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: "1" };

const ADMIN_TOKEN = "TUTTI_ADMIN_TOKEN";

/** What the admin API is to demand; not a flag, since other users of the machine can read those. */
export function adminToken(): string | undefined {
  const token = process.env[ADMIN_TOKEN];
  return token === "" ? undefined : token;
}

/** What a node is told by its environment, where neither a flag says it nor a file is at hand, as in a container. */
const SETTINGS = [
  "TUTTI_HOST",
  "TUTTI_PORT",
  "TUTTI_ADMIN_HOST",
  "TUTTI_ADMIN_PORT",
  "TUTTI_STATE_DIR",
  "TUTTI_MODULES_DIR",
] as const;

export type SettingsEnvironment = { readonly [name in (typeof SETTINGS)[number]]?: string };

/** Without what is empty. */
export function settingsEnvironment(): SettingsEnvironment {
  return Object.fromEntries(
    SETTINGS.flatMap((name) => {
      const value = process.env[name];
      return value === undefined || value === "" ? [] : [[name, value]];
    }),
  );
}

/** Where Node keeps what V8 has compiled of modules, for processes that import them later. */
const CODE_CACHE = "NODE_COMPILE_CACHE";

/**
 * What executors are started with. User code runs in them: the node's own secret is not for it.
 *
 * @param codeCacheDirectory used where the user has not said which one.
 */
export function executorEnvironment(codeCacheDirectory: string): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: given = "", [ADMIN_TOKEN]: _, ...environment } = process.env;
  return {
    ...DEFAULTS,
    ...EXECUTOR_DEFAULTS,
    [CODE_CACHE]: codeCacheDirectory,
    ...environment,
    NODE_OPTIONS: `${EXECUTOR_NODE_OPTIONS} ${given}`.trim(),
  };
}

/** The same for this process itself, before it loads a native library that reads it. */
export function applyEnvironmentDefaults(): void {
  for (const [name, value] of Object.entries(DEFAULTS)) process.env[name] ??= value;
}
