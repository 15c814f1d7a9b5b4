import type { ErrorCode } from "../errors/codes.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { compileTemplate, type TemplateValues } from "./fallback-template.ts";
import type { FallbackSpec } from "./ingress-target.ts";

export type FallbackReason = "deadline" | "below-quorum" | "features-unavailable" | "model-unavailable";

/** A fallback with its placeholders found and its constant parts already text. */
export interface CompiledFallback {
  readonly status: number;
  /** The JSON body, or `undefined` if there is none for the value of the parameter. */
  render(values: TemplateValues): string | undefined;
}

const REASONS: Partial<Record<ErrorCode, FallbackReason>> = {
  DeadlineExceeded: "deadline",
  BelowQuorum: "below-quorum",
  FeaturesUnavailable: "features-unavailable",
};

export function fallbackReason(code: ErrorCode): FallbackReason {
  return REASONS[code] ?? "model-unavailable";
}

/** A fallback hides failures, not refusals: an overloaded or draining node must be seen as such by balancers. */
export function callsForFallback(error: TuttiError, status: number): boolean {
  return status >= 500 && error.code !== "Overloaded" && error.code !== "Draining";
}

/**
 * @param paramNames of the route; `byParam` must be one of them.
 * @throws TuttiError `InvalidOptions`
 */
export function compileFallback(
  spec: FallbackSpec,
  paramNames: readonly string[],
  where: string,
): CompiledFallback {
  const status = spec.status ?? 200;
  if (!Number.isInteger(status) || status < 200 || status > 599 || status === 204 || status === 304) {
    throw invalid(where, `status must be 200 to 599 and allow a body, got ${status}`);
  }
  if (!("byParam" in spec)) {
    const render = compileTemplate(spec.body, `${where}.body`);
    return { status, render };
  }
  const { byParam, bodies } = spec;
  if (!paramNames.includes(byParam)) {
    throw invalid(
      where,
      `byParam "${byParam}" is not a parameter of the path (it has: ${paramNames.join(", ") || "none"})`,
    );
  }
  const renders = new Map(
    Object.entries(bodies).map(([value, body]) => [value, compileTemplate(body, `${where}.bodies.${value}`)]),
  );
  return { status, render: (values) => renders.get(values.params[byParam] ?? "")?.(values) };
}

function invalid(where: string, what: string): TuttiError {
  return new TuttiError("InvalidOptions", `${where}: ${what}`, { path: where });
}
