import { ALL_WELL, type MemberMode, type StrikeKind, type SwitchState, writeSwitch } from "./app/switch.ts";

/** The campaign's side of the application's fault switch. */
export class Control {
  readonly #file: string;
  #state: SwitchState = ALL_WELL;
  #strikes = 0;

  constructor(file: string) {
    this.#file = file;
    writeSwitch(file, this.#state);
  }

  /** How the faulty member answers from now on. */
  member(mode: MemberMode): void {
    this.#set({ ...this.#state, member: mode });
  }

  /** One process does it once. */
  strike(kind: StrikeKind): void {
    this.#strikes += 1;
    this.#set({ ...this.#state, strike: { id: this.#strikes, kind } });
  }

  #set(state: SwitchState): void {
    this.#state = state;
    writeSwitch(this.#file, state);
  }
}
