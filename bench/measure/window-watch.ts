import { machineCpuSeconds } from "./process-tree.ts";

/** What is asked of a system whose processor time is looked at. */
export interface WatchedSystem {
  cpuSeconds(): number;
}

/** The processor time that one window of load took, of the system and of the whole machine, and what is begun as it opens. */
export class WindowWatch {
  readonly #system: WatchedSystem;
  readonly #atOpen: (() => Promise<void>) | undefined;
  #begun: Promise<void> | undefined;
  cpuSeconds = 0;
  machineSeconds = 0;

  constructor(system: WatchedSystem, atOpen?: () => Promise<void>) {
    this.#system = system;
    this.#atOpen = atOpen;
  }

  readonly onEdge = (edge: "open" | "close"): void => {
    if (edge === "open") {
      this.cpuSeconds = -this.#system.cpuSeconds();
      this.machineSeconds = -machineCpuSeconds();
      this.#begun = this.#atOpen?.();
      // Awaited in `finished`; until then its failure has no other listener.
      this.#begun?.catch(() => {});
    } else {
      this.cpuSeconds += this.#system.cpuSeconds();
      this.machineSeconds += machineCpuSeconds();
    }
  };

  /** Resolves when what was begun has ended. */
  async finished(): Promise<void> {
    await this.#begun;
  }
}
