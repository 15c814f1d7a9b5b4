import { TuttiError } from "../errors/tutti-error.ts";
import type { IngressTarget } from "../ingress/ingress-target.ts";

/** Answers for the node where no version does. */
export function notServedTarget(readiness: IngressTarget["readiness"]): IngressTarget {
  return {
    call: () => {
      throw new TuttiError("Unavailable", "the application is starting", {
        started: "no",
        retryAfterSeconds: 1,
      });
    },
    readiness,
  };
}
