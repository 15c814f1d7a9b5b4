import type { RunnerEvent } from "../controller/slot.ts";

/** Something that the runtime decided, and when, in virtual time. The same seed gives the same ones, in the same order. */
export type Decision =
  | { readonly kind: "request"; readonly atMs: number; readonly requestId: string; readonly path: string }
  /** A call came to a replica: this is the one that a router chose. */
  | {
      readonly kind: "call";
      readonly atMs: number;
      readonly requestId: string;
      readonly deployment: string;
      readonly replica: number;
      readonly executor: string;
      readonly method: string;
    }
  /** A batch began to run. */
  | {
      readonly kind: "run";
      readonly atMs: number;
      readonly deployment: string;
      readonly replica: number;
      readonly executor: string;
      readonly rows: number;
    }
  | { readonly kind: "answer"; readonly atMs: number; readonly requestId: string; readonly status: number }
  /** An executor was lost, or its slot filled. */
  | { readonly kind: "executor"; readonly atMs: number; readonly event: RunnerEvent };
