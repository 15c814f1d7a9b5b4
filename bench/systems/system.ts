import type { Weighting } from "../reference/model-files.ts";
import type { Family } from "../reference/paths.ts";

/** One way to serve the example's contract, as the bench starts it. */
export interface SystemDescription {
  readonly name: SystemName;
  /** Its configuration in one line, published with the results. */
  readonly configuration: string;
  /** What is missing, in words that say how to get it; `undefined` when the system can be started. */
  missing(setting: SystemSetting): string | undefined;
  command(setting: SystemSetting): Command;
  /** How it weighs the models' outputs, where that is not by the manifest. */
  weighting?(): Weighting;
  /** A route that answers 200 once everything is up, where answering an offer is not enough of a sign. */
  readonly readyPath?: string;
}

export type SystemName =
  | "flask-story"
  | "flask-best"
  | "legacy-ts"
  | "onnx-best-ts"
  | "onnx-microbatch-ts"
  | "tutti"
  | "tutti-baseline";

export interface SystemSetting {
  readonly family: Family;
  readonly modelsDir: string;
  readonly playersDb: string;
  readonly lookupDelayMs: number;
  readonly port: number;
  /** Copies, for systems that are replicated by process. */
  readonly processes: number;
}

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** The environment that all systems have in common. */
export function commonEnvironment(setting: SystemSetting): Record<string, string> {
  return {
    PORT: String(setting.port),
    TUTTI_PLAYERS_DB: setting.playersDb,
    TUTTI_MODELS_DIR: setting.modelsDir,
    TUTTI_LOOKUP_DELAY_MS: String(setting.lookupDelayMs),
    // Math libraries that are not told otherwise start a thread for each core in each process.
    OMP_NUM_THREADS: "1",
    OPENBLAS_NUM_THREADS: "1",
    MKL_NUM_THREADS: "1",
    // ONNX Runtime's own telemetry costs a thread in each process; Tutti turns it off, so it is off for all.
    ORT_DISABLE_TELEMETRY: "1",
    NODE_ENV: "production",
  };
}
