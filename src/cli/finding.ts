export type Verdict = "ok" | "warn" | "fail";

/** What the doctor has found out about one thing. */
export interface Finding {
  readonly check: string;
  /** `warn`: it runs, and could run better. `fail`: it does not. */
  readonly verdict: Verdict;
  readonly found: string;
  /** What to do; absent when all is well. */
  readonly advice?: string;
}

export const ok = (check: string, found: string): Finding => ({ check, verdict: "ok", found });

export const warn = (check: string, found: string, advice: string): Finding => ({
  check,
  verdict: "warn",
  found,
  advice,
});

export const fail = (check: string, found: string, advice: string): Finding => ({
  check,
  verdict: "fail",
  found,
  advice,
});
