/**
 * The only reader and writer of the process's environment.
 */

/**
 * ONNX Runtime 1.30 reports its use to its makers unless it is told not to before it starts, which costs each process a
 * thread, start-up time and files in the temporary folder. Who wants that sets the variable to 0.
 */
const DEFAULTS: Readonly<Record<string, string>> = { ORT_DISABLE_TELEMETRY: "1" };

/** What processes started from here get. */
export function childEnvironment(): NodeJS.ProcessEnv {
  return { ...DEFAULTS, ...process.env };
}

/** The same for this process itself, before it loads a native library that reads it. */
export function applyEnvironmentDefaults(): void {
  for (const [name, value] of Object.entries(DEFAULTS)) process.env[name] ??= value;
}
