import { readFileSync } from "node:fs";

const CAP_SYS_NICE = 1n << 23n;

/** What Linux says of this process, as it is written there; undefined: it says nothing. */
export interface ProcessFacts {
  /** `/proc/self/status`. */
  readonly status: string | undefined;
  /** `/proc/self/limits`. */
  readonly limits: string | undefined;
  readonly uid: number | undefined;
}

/**
 * Whether a process that was made to wait for all others can be brought back to a niceness. Everybody may lower a priority; who may
 * raise it again is root, who has `CAP_SYS_NICE`, and who has a limit that allows it.
 */
export function mayRaiseTo(niceness: number, { status, limits, uid }: ProcessFacts): boolean {
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(status ?? "")?.[1];
  if (capabilities === undefined) return uid === 0;
  if ((BigInt(`0x${capabilities}`) & CAP_SYS_NICE) !== 0n) return true;
  // The limit is counted from the other end: 20 stands for a niceness of 0, 1 for one of 19.
  const soft = /^Max nice priority\s+(\d+|unlimited)/m.exec(limits ?? "")?.[1];
  return soft === "unlimited" || 20 - Number(soft ?? 0) <= niceness;
}

export const ownFacts = (): ProcessFacts => ({
  status: readOwn("status"),
  limits: readOwn("limits"),
  uid: process.getuid?.(),
});

function readOwn(name: string): string | undefined {
  try {
    return readFileSync(`/proc/self/${name}`, "latin1");
  } catch {
    return undefined;
  }
}
