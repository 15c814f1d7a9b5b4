import { TuttiError } from "../errors/tutti-error.ts";

const NO_SPACE: readonly unknown[] = ["ENOSPC", "EDQUOT", "EFBIG"];

/** What to do about what a file system says to who writes. */
const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: "free space there",
  EDQUOT: "free space there",
  EROFS: "make it writable again",
  EACCES: "let this user write there",
  EPERM: "let this user write there",
};

/** What a file system has thrown, as the error of a store: what happened to which file, and what to do. */
export function storeFailure(file: string, what: "read" | "written", thrown: unknown): TuttiError {
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  const code = NO_SPACE.includes(codeOf(thrown)) ? "StoreFull" : "StoreFailed";
  const advice = what === "read" ? undefined : ADVICE[String(codeOf(thrown))];
  const toDo = advice === undefined ? "" : `: ${advice}, then try again; what runs goes on`;
  return new TuttiError(code, `${file} could not be ${what}: ${why}${toDo}`, {
    started: "no",
    cause: thrown,
  });
}

export const codeOf = (thrown: unknown): unknown =>
  thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
