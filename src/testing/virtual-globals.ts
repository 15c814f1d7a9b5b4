import { syncBuiltinESMExports } from "node:module";
import { performance } from "node:perf_hooks";
import timers from "node:timers";
import timersPromises from "node:timers/promises";
import { currentProcess } from "./virtual-process.ts";
import { VirtualTimer } from "./virtual-timer.ts";

/** What `Date.now()` says at the beginning of every world: 2026-01-01. */
const EPOCH_MS = Date.UTC(2026, 0, 1);

type Callback = (...args: unknown[]) => void;

/** Replaces one function of an object, and knows how to put it back. */
type Replacement = readonly [owner: object, name: string, make: (real: never) => unknown];

/**
 * The ways in which code of an application tells the time or waits, apart from the runtime's own clock. Inside of a
 * virtual process they are virtual; everywhere else, in the test itself for one, they stay what they are.
 */
const REPLACEMENTS: readonly Replacement[] = [
  // First: the promisified form of a timer function is taken from here when that one is replaced.
  [timersPromises, "setTimeout", virtualWait],
  [timersPromises, "setImmediate", virtualTurn],
  [timersPromises.scheduler, "wait", virtualSchedulerWait],
  ...[globalThis, timers].flatMap((owner): Replacement[] => [
    [owner, "setTimeout", virtualTimer(VirtualTimer.once)],
    [owner, "setInterval", virtualTimer(VirtualTimer.repeated)],
    [owner, "setImmediate", virtualImmediate],
    [owner, "clearTimeout", virtualClear],
    [owner, "clearInterval", virtualClear],
    [owner, "clearImmediate", virtualClear],
  ]),
  [performance, "now", (real: () => number) => () => currentProcess()?.now() ?? real.call(performance)],
  [Date, "now", (real: () => number) => () => virtualDate() ?? real.call(Date)],
  [AbortSignal, "timeout", virtualTimeoutSignal],
];

let users = 0;
let putBack: (() => void)[] = [];

/** Puts them in place. @returns puts back what was there, once the last of those who asked has done so. */
export function useVirtualGlobals(): () => void {
  users += 1;
  if (users === 1) {
    putBack = REPLACEMENTS.map(([owner, name, make]) =>
      replace(owner as Record<string, unknown>, name, make),
    );
    syncBuiltinESMExports();
  }
  let isUsing = true;
  return () => {
    if (!isUsing) return;
    isUsing = false;
    users -= 1;
    if (users > 0) return;
    for (const one of putBack) one();
    syncBuiltinESMExports();
  };
}

function replace(owner: Record<string, unknown>, name: string, make: (real: never) => unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(owner, name);
  const real = owner[name];
  // What promisifies a function is looked up on it (`util.promisify(setTimeout)`).
  const made = Object.assign(make(real as never) as object, real);
  Object.defineProperty(owner, name, { value: made, configurable: true, writable: true, enumerable: true });
  return () => {
    if (before === undefined) delete owner[name];
    else Object.defineProperty(owner, name, before);
  };
}

function virtualTimer(make: typeof VirtualTimer.once) {
  return (real: (callback: Callback, delayMs?: number, ...args: unknown[]) => unknown) =>
    (callback: Callback, delayMs?: number, ...args: unknown[]) => {
      const process = currentProcess();
      if (process === undefined) return real(callback, delayMs, ...args);
      return make(process, Number(delayMs) || 0, () => callback(...args));
    };
}

function virtualImmediate(real: (callback: Callback, ...args: unknown[]) => unknown) {
  return (callback: Callback, ...args: unknown[]) => {
    const process = currentProcess();
    if (process === undefined) return real(callback, ...args);
    return VirtualTimer.nextTurn(process, () => callback(...args));
  };
}

function virtualClear(real: (timer: unknown) => void) {
  return (timer: unknown) => (timer instanceof VirtualTimer ? timer.close() : real(timer));
}

function virtualWait(real: typeof timersPromises.setTimeout) {
  return <T>(delayMs?: number, value?: T, options?: { readonly signal?: AbortSignal }) =>
    currentProcess() === undefined ? real(delayMs, value, options) : waited(delayMs ?? 0, value, options);
}

function virtualTurn(real: typeof timersPromises.setImmediate) {
  return <T>(value?: T, options?: { readonly signal?: AbortSignal }) => {
    const process = currentProcess();
    if (process === undefined) return real(value, options);
    return new Promise((resolve) => process.onNextTurn(() => resolve(value)));
  };
}

function virtualSchedulerWait(real: typeof timersPromises.scheduler.wait) {
  return (delayMs: number, options?: { readonly signal?: AbortSignal }) =>
    currentProcess() === undefined
      ? real.call(timersPromises.scheduler, delayMs, options)
      : waited(delayMs, undefined, options);
}

function virtualTimeoutSignal(real: typeof AbortSignal.timeout) {
  return (delayMs: number): AbortSignal => {
    const process = currentProcess();
    if (process === undefined) return real.call(AbortSignal, delayMs);
    const controller = new AbortController();
    process.after(delayMs, () =>
      controller.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError")),
    );
    return controller.signal;
  };
}

function virtualDate(): number | undefined {
  const nowMs = currentProcess()?.now();
  return nowMs === undefined ? undefined : EPOCH_MS + Math.floor(nowMs);
}

/** Only inside of a process. */
function waited<T>(delayMs: number, value: T, options: { readonly signal?: AbortSignal } = {}): Promise<T> {
  const process = currentProcess()!;
  const { signal } = options;
  return new Promise((resolve, reject) => {
    const abort = () => {
      cancel();
      reject(new DOMException("The operation was aborted", { name: "AbortError", cause: signal?.reason }));
    };
    const cancel = process.after(delayMs, () => {
      signal?.removeEventListener("abort", abort);
      resolve(value);
    });
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  });
}
