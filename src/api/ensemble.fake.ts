import { type Clock, systemClock } from "../clock/clock.ts";
import { type ErrorCode, isErrorCode } from "../errors/codes.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { FakeCallPort, type PlannedEnd } from "./call-port.fake.ts";
import { mean } from "./combiners.ts";
import { type Ensemble, ensemble } from "./ensemble.ts";
import type { EnsembleOptions } from "./ensemble-options.ts";
import type { MemberReport, MemberStatus } from "./ensemble-result.ts";
import type { Handle } from "./handle.ts";
import { createHandle } from "./handle-proxy.ts";

export interface Scorer {
  score(input: unknown): Promise<number>;
}

export interface Scorers {
  readonly port: FakeCallPort;
  readonly members: Handle<Scorer>[];
  readonly all: Ensemble<Scorer, number>;
}

/** Members m0, m1 … that end as planned, in an ensemble. */
export function scorers(
  plans: readonly PlannedEnd[],
  options: Partial<EnsembleOptions<number, number, number>> = {},
  clock: Clock = systemClock,
): Scorers {
  const port = new FakeCallPort(({ deployment }) => plans[Number(deployment.slice(1))]!, clock);
  const members = plans.map((_, index) =>
    createHandle<Scorer>({ deployment: `m${index}`, port, options: {}, version: "v7" }),
  );
  return { port, members, all: ensemble<Scorer, number, number>(members, { combine: mean, ...options }) };
}

/** A member that ends with an error, after so many turns of the event loop. */
export const failure = (code: ErrorCode, turns = 0): PlannedEnd => ({
  error: new TuttiError(code, `it was ${code}`),
  turns,
});

export const statuses = (members: readonly MemberReport[]): MemberStatus[] =>
  members.map(({ status }) => status);

/** What a call was rejected with; it is an error of the runtime's. */
export async function rejection(call: Promise<unknown>): Promise<TuttiError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof TuttiError && isErrorCode(error.code)) return error;
  throw new Error(`expected a rejection with a TuttiError, got ${String(error)}`);
}

/** The reports in an error's details. */
export const reportsOf = (error: TuttiError): MemberReport[] => error.details?.["members"] as MemberReport[];
