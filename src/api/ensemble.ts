import { TuttiError } from "../errors/tutti-error.ts";
import { noLead } from "../policy/deadline-lead.ts";
import { askedMembers, EnsembleCall, type EnsemblePlan } from "./ensemble-call.ts";
import { type EnsembleOptions, resolveEnsembleOptions } from "./ensemble-options.ts";
import type { EnsembleResult } from "./ensemble-result.ts";
import type { CallOptions, Handle } from "./handle.ts";
import { checkCallOptions, type HandleTarget, handleTarget } from "./handle-proxy.ts";
import { LIFECYCLE_HOOKS } from "./reserved-names.ts";

type MethodNames<T> = keyof Handle<T> & string;

/** Each method of the members, called on all of them at once. */
export type Ensemble<T, R> = {
  readonly [K in Exclude<MethodNames<T>, "with">]: Handle<T>[K] extends (...args: infer A) => Promise<unknown>
    ? (...args: A) => Promise<EnsembleResult<R>>
    : never;
} & {
  with(options: CallOptions): Ensemble<T, R>;
};

type OutputOf<T> = {
  [K in Exclude<MethodNames<T>, "with">]: Handle<T>[K] extends (...args: never) => Promise<infer O>
    ? O
    : never;
}[Exclude<MethodNames<T>, "with">];

/**
 * One caller of many deployments that answers by its deadline.
 *
 * A call goes to all members at once and ends at the first of:
 * - all have ended, or the ensemble's own deadline passes: the request's minus `reserveMs`, or `deadlineMs` from now
 *   when that is sooner;
 * - enough have answered, and the combiner knows that the others can no longer change the decision (E4);
 * - it is certain that `quorum`, `required` or `minWeight` cannot be met any more;
 * - the request is given up, or the call's signal aborts.
 *
 * With enough answers it resolves to their combination, labelled `degraded` when a member is missing; else it rejects
 * with `BelowQuorum`, saying which were missing and why, or with why it was given up (`Cancelled`). What is still out is
 * cancelled. While the edge is overloaded (`lean`), the `optional` members are not asked, and reported as `shed`.
 *
 * Invariants: **E1** the value is the combiner over exactly the members reported `ok`, and the defaults of the others
 * where that is asked for. **E2** nothing is dropped silently: every member has a report. **E3** one call ends once, at
 * the latest by its deadline. **E4** ending before all members have never changes the decision.
 *
 * @throws TuttiError `InvalidOptions` naming the option.
 */
export function ensemble<T, V, R>(
  members: readonly Handle<T>[],
  options: EnsembleOptions<OutputOf<T>, V, R>,
): Ensemble<T, R> {
  const targets = members.map((member, index) => {
    const target = handleTarget(member);
    if (target === undefined)
      throw new TuttiError("InvalidOptions", `ensemble: member ${index} is not a handle`);
    if (Object.keys(target.options).length > 0) {
      const message = `ensemble: give call options to the ensemble, not to its member ${target.deployment}`;
      throw new TuttiError("InvalidOptions", message);
    }
    return target;
  });
  if (targets.length === 0) throw new TuttiError("InvalidOptions", "ensemble: there are no members");
  const names = targets.map(({ deployment }) => deployment);
  const resolved = resolveEnsembleOptions(names, options);
  const whole = askedMembers(targets, resolved, () => true);
  const plan: EnsemblePlan<V, R> = Object.freeze({
    targets,
    options: resolved,
    whole,
    lean: resolved.optional.includes(true)
      ? askedMembers(targets, resolved, (member) => !resolved.optional[member])
      : whole,
    lead: noLead(),
  });
  const build = (callOptions: CallOptions): Ensemble<T, R> =>
    createEnsemble<T, R>(
      targets,
      (method, args) => new EnsembleCall(plan, callOptions, method, args).result,
      (more) => build({ ...callOptions, ...checkCallOptions(more) }),
    );
  return build({});
}

/** Not on access: whatever prints or compares objects looks at their `constructor`. */
const refuseHook = (name: string) => () => {
  throw new TuttiError("InvalidArgument", `${name} is called by the runtime, not through an ensemble`);
};

/** An ensemble combines one answer of each member: there is none of a stream. */
const refuseStream = (name: string, deployment: string) => () => {
  const message = `ensemble: ${deployment}.${name}() is a stream, and streams are not combined; read it by its own handle`;
  throw new TuttiError("InvalidArgument", message);
};

/** The cast makes real, name by name, what `Ensemble<T, R>` says; see `createHandle`. */
function createEnsemble<T, R>(
  members: readonly HandleTarget[],
  call: (method: string, args: readonly unknown[]) => Promise<EnsembleResult<R>>,
  withOptions: (options: CallOptions) => Ensemble<T, R>,
): Ensemble<T, R> {
  const methods = new Map<string, unknown>([["with", withOptions]]);
  const proxy = new Proxy(Object.create(null) as object, {
    get: (_, name) => {
      if (typeof name === "symbol" || name === "then") return undefined;
      let method = methods.get(name);
      if (method === undefined) {
        const stream = members.find(({ streams }) => streams?.has(name));
        if (LIFECYCLE_HOOKS.has(name)) method = refuseHook(name);
        else if (stream !== undefined) method = refuseStream(name, stream.deployment);
        else method = (...args: unknown[]) => call(name, args);
        methods.set(name, method);
      }
      return method;
    },
  });
  return proxy as Ensemble<T, R>;
}
