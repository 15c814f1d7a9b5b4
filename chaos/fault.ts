import type { FaultProxy } from "../test/features/fault-proxy.ts";
import type { Control } from "./control.ts";
import type { Reference } from "./reference.ts";
import type { System } from "./system.ts";

/** Which system a fault is planted in: they differ in where features come from, and in whose clock they run by. */
export const SYSTEMS = ["embedded", "dynamodb", "jumping"] as const;
export type SystemKind = (typeof SYSTEMS)[number];

/** What a fault is given to be planted with. */
export interface Scene {
  readonly system: System;
  readonly control: Control;
  /** In front of the feature store, where that is a service. */
  readonly proxy: FaultProxy | undefined;
  readonly reference: Reference;
  /** Seeded; in [0, 1). */
  readonly random: () => number;
  /** Resolves when it is time to lift the fault. */
  readonly over: Promise<void>;
  readonly isOver: () => boolean;
  /** Waits, but not beyond the end. */
  pause(ms: number): Promise<void>;
  /** Does something that takes executors away, and resolves when all are back; how long that took is in the report. */
  strike(act: () => unknown, replacements?: number): Promise<void>;
  /** Answers to requests that the fault itself makes; each must be 200 and say that it is a fallback. */
  provoke(playerId: string): Promise<void>;
}

/**
 * What must hold of a phase, beside what must hold of all: nothing wrong, nothing unlabelled, nothing failed, and no status
 * of 500 or above but for refusals, where they are allowed.
 */
export interface Demands {
  /** Every answer, by its own time at the latest. */
  readonly answeredWithinMs?: number;
  /** Everything that was taken away is back by then. */
  readonly replacedWithinMs?: number;
  /** At least this share of the answers is personal. */
  readonly personalFraction?: number;
  /** At least this share of the answers is right and complete. */
  readonly rightFraction?: number;
  /** At most this share of the requests is refused by the edge's admission. Default none. */
  readonly refusedFraction?: number;
  /** No executor is taken for dead. */
  readonly nothingReplaced?: boolean;
  /** The fault is seen in the answers, or in what was replaced: one that is not was not planted. */
  readonly seenAs?: "degraded" | "fallback" | "replacement" | "slow";
}

export interface Fault {
  readonly name: string;
  /** In words, for the report. */
  readonly about: string;
  readonly system: SystemKind;
  /** How long it stays: in the quick campaign, and in the full one. */
  readonly holdMs: { readonly quick: number; readonly full: number };
  readonly demands: Demands;
  /** Plants it; resolves when it is lifted, soon after `scene.over`. */
  plant(scene: Scene): Promise<void>;
}
