import { closeSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";

/** How the faulty member answers. */
export type MemberMode = "well" | "never" | "slow" | "throws" | "wrong-rows";

/** Faults that strike one process once. */
export type StrikeKind = "block-lane" | "block-lanes" | "endless-loop" | "balloon";

/** What the campaign tells the application under test, by a file. */
export interface SwitchState {
  readonly member: MemberMode;
  /** The newest strike; each is taken by the first process that sees it. */
  readonly strike: { readonly id: number; readonly kind: StrikeKind } | null;
}

export const ALL_WELL: SwitchState = { member: "well", strike: null };

/** Where the file is; set by the campaign. */
export const SWITCH_VARIABLE = "TUTTI_CHAOS_SWITCH";

/** As a whole or not at all: who reads it must not see half of it. */
export function writeSwitch(file: string, state: SwitchState): void {
  writeFileSync(`${file}.new`, JSON.stringify(state));
  renameSync(`${file}.new`, file);
}

const POLL_MS = 10;

/** The application's side of the switch, one for each process. */
export class FaultSwitch {
  readonly #file = process.env[SWITCH_VARIABLE] ?? "";
  readonly #onStrike = new Map<StrikeKind, () => void>();
  #state = ALL_WELL;
  /** The newest strike when this process began is not for it: whoever it hit may be the reason why this one began. */
  #lastStrike: number;

  constructor() {
    this.#read();
    this.#lastStrike = this.#state.strike?.id ?? 0;
    setInterval(() => this.#poll(), POLL_MS).unref();
  }

  get member(): MemberMode {
    return this.#state.member;
  }

  onStrike(kind: StrikeKind, strike: () => void): void {
    this.#onStrike.set(kind, strike);
  }

  #poll(): void {
    this.#read();
    const { strike } = this.#state;
    if (strike === null || strike.id <= this.#lastStrike) return;
    this.#lastStrike = strike.id;
    const act = this.#onStrike.get(strike.kind);
    if (act !== undefined && this.#claim(strike.id)) act();
  }

  /** True for one process of all. */
  #claim(id: number): boolean {
    try {
      closeSync(openSync(`${this.#file}.${id}`, "wx"));
      return true;
    } catch {
      return false;
    }
  }

  #read(): void {
    try {
      this.#state = JSON.parse(readFileSync(this.#file, "utf8"));
    } catch {
      // Not there: all is well.
    }
  }
}

export const faultSwitch = new FaultSwitch();
