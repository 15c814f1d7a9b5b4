import { TuttiError } from "../errors/tutti-error.ts";

/** SQLite's primary result codes that one can do something about (https://sqlite.org/rescode.html). */
const BUSY = 5;
const LOCKED = 6;
const ADVICE: Readonly<Record<number, string>> = {
  8: "the file or its folder is read-only for this process; make it writable or open it with readOnly",
  10: "the disk reported an error; check the disk and the space on it",
  11: "the file is damaged; delete it and its -wal and -shm files and load the rows again",
  13: "the disk is full; free some space",
  14: "the file cannot be opened; check that the path exists and that this process may read it and write its folder",
  26: "the file is not an SQLite database; give the path of a feature file",
};

/** Another connection holds the lock that is needed; trying again helps. */
export function isBusy(error: unknown): boolean {
  const code = primaryCode(error);
  return code === BUSY || code === LOCKED;
}

/** What a failed operation of the embedded store becomes (F3). */
export function sqliteFailure(store: string, verb: "open" | "read" | "write", error: unknown): TuttiError {
  if (error instanceof TuttiError && error.code !== "DeadlineExceeded") return error;
  if (error instanceof TuttiError || isBusy(error)) {
    const message = `${store}: cannot ${verb}: another process holds its lock; raise busyTimeoutMs or end the other`;
    return new TuttiError("FeaturesUnavailable", message, { cause: error });
  }
  const reason = error instanceof Error ? error.message : String(error);
  const advice = ADVICE[primaryCode(error) ?? -1] ?? "check the path and the file";
  return new TuttiError("FeaturesUnavailable", `${store}: cannot ${verb}: ${reason}: ${advice}`, {
    cause: error,
  });
}

/** The low byte: `errcode` may be an extended code such as SQLITE_BUSY_RECOVERY. */
function primaryCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number")
    return undefined;
  return error.errcode & 0xff;
}
