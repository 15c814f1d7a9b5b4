import type { ErrorCode } from "../errors/codes.ts";

/** What scripts can tell apart. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  moduleFailed: 3,
  modelFailed: 4,
  portInUse: 5,
  notReady: 6,
  unreachable: 7,
  conflict: 8,
  notServed: 9,
  pending: 10,
} as const;

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  InvalidOptions: EXIT.usage,
  DuplicateName: EXIT.usage,
  ModuleLoadFailed: EXIT.moduleFailed,
  ModelNotFound: EXIT.modelFailed,
  ModelInvalid: EXIT.modelFailed,
  PortInUse: EXIT.portInUse,
  RevisionConflict: EXIT.conflict,
};

/** Ends the program after the parser of the command line has said what is wrong, or shown what was asked for. */
export const exitOfParser = ({ exitCode }: { readonly exitCode: number }): never =>
  process.exit(exitCode === EXIT.ok ? EXIT.ok : EXIT.usage);

export const exitCodeOf = (code: ErrorCode): number => BY_CODE[code] ?? EXIT.failed;
