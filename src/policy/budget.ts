/**
 * A budget for extra work: a share of the calls made, and so many a second on top. What is not spent is forgotten within
 * seconds, so that a quiet hour does not pay for a storm. After the retry budgets of Finagle. Pure: time is an argument.
 */
export interface Budget {
  tokens: number;
  asOfMs: number;
}

export interface BudgetOptions {
  /** Extra calls for each call made. */
  readonly fraction: number;
  /** Extra calls a second, however few are made. */
  readonly perSecond: number;
}

/** What was saved longer ago than this is mostly gone. */
const MEMORY_MS = 10_000;

/** It begins with what a quiet time would have left. */
export function newBudget({ perSecond }: BudgetOptions, nowMs: number): Budget {
  return { tokens: (perSecond * MEMORY_MS) / 1000, asOfMs: nowMs };
}

export function depositCalls(budget: Budget, { fraction }: BudgetOptions, calls: number): void {
  budget.tokens += calls * fraction;
}

/** Lets time pass; to be called every now and then while calls are made, as well as before a spending. */
export function settleBudget(budget: Budget, { perSecond }: BudgetOptions, nowMs: number): void {
  const elapsedMs = nowMs - budget.asOfMs;
  if (elapsedMs <= 0) return;
  const kept = Math.exp(-elapsedMs / MEMORY_MS);
  budget.tokens = budget.tokens * kept + ((perSecond * MEMORY_MS) / 1000) * (1 - kept);
  budget.asOfMs = nowMs;
}

/** Whether one more extra call may be made; if so, it is paid. */
export function spendCall(budget: Budget, options: BudgetOptions, nowMs: number): boolean {
  settleBudget(budget, options, nowMs);
  if (budget.tokens < 1) return false;
  budget.tokens -= 1;
  return true;
}

/** The extra call turned out to be none: another was taken back before it started. */
export function refundCall(budget: Budget): void {
  budget.tokens += 1;
}
