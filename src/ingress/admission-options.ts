import {
  duration,
  type Fields,
  flag,
  fraction,
  optional,
  resolveOptions,
  wholeNumber,
} from "../config/option-fields.ts";

/** How the edge decides what to take in; what its words mean is in the guide to admission. */
export interface AdmissionOptions {
  /** False: everything is taken in, until replicas refuse. Default true. */
  readonly enabled?: boolean;
  /** Median time that requests may wait for others' work before fewer are taken in. Default 55 ms. */
  readonly maxQueueMs?: number;
  /** Most requests under way. Default, and at most: four fifths of what the ingress's replicas may work on. */
  readonly maxInFlight?: number;
  /** So many may be under way however long they wait. Default 4. */
  readonly minInFlight?: number;
  /** Share of the limit up to which low priority is taken in. Default 0.9. */
  readonly lowPriorityShare?: number;
  /** Share of the limit from which on ensembles leave their optional members out. Default 0.75. */
  readonly leanShare?: number;
  /** How long a stage of overload is kept after its cause was last seen. Default 1 s. */
  readonly holdMs?: number;
}

export interface ResolvedAdmissionOptions extends Required<Omit<AdmissionOptions, "maxInFlight">> {
  readonly maxInFlight: number | undefined;
}

/** What numbers may be, here and in a config file. */
export const ADMISSION_BOUNDS = {
  maxQueueMs: { min: 1, max: 60_000 },
  maxInFlight: { min: 2, max: 1_000_000 },
  minInFlight: { min: 2, max: 10_000 },
  lowPriorityShare: { min: 0, max: 1 },
  leanShare: { min: 0, max: 1 },
  holdMs: { min: 0, max: 60_000 },
} as const;

const { maxQueueMs, maxInFlight, minInFlight, holdMs } = ADMISSION_BOUNDS;

const FIELDS: Fields<ResolvedAdmissionOptions> = {
  enabled: flag(true),
  maxQueueMs: duration(maxQueueMs.min, maxQueueMs.max, 55),
  maxInFlight: optional(wholeNumber(maxInFlight.min, maxInFlight.max, 0)),
  minInFlight: wholeNumber(minInFlight.min, minInFlight.max, 4),
  lowPriorityShare: fraction(0.9),
  leanShare: fraction(0.75),
  holdMs: duration(holdMs.min, holdMs.max, 1000),
};

/** @throws TuttiError `InvalidOptions`, naming the option, what was expected and what was found. */
export function resolveAdmissionOptions(options: AdmissionOptions = {}): Readonly<ResolvedAdmissionOptions> {
  return resolveOptions("http.admission", FIELDS, options);
}
