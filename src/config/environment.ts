/**
 * The only reader and writer of the process's environment.
 */

/**
 * ONNX Runtime 1.30 reports its use to its makers unless it is told not to before it starts, which costs each process a
 * thread, start-up time and files in the temporary folder. Who wants that sets the variable to 0.
 */
const DEFAULTS: Readonly<Record<string, string>> = { ORT_DISABLE_TELEMETRY: "1" };

/**
 * For the Node of each executor: the young generation of its heap stays small. By default it grows with the machine's
 * memory to more than all the models take: some processor time is given for much memory. What the user gives in
 * `NODE_OPTIONS` comes after it, and so wins.
 */
const EXECUTOR_NODE_OPTIONS = "--max-semi-space-size=4";

/** What executors are started with. */
export function executorEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: given = "", ...environment } = process.env;
  return { ...DEFAULTS, ...environment, NODE_OPTIONS: `${EXECUTOR_NODE_OPTIONS} ${given}`.trim() };
}

/** The same for this process itself, before it loads a native library that reads it. */
export function applyEnvironmentDefaults(): void {
  for (const [name, value] of Object.entries(DEFAULTS)) process.env[name] ??= value;
}
