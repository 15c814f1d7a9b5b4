import { elapsedMs } from "../../src/load/elapsed.ts";

/** The counted part of a run: announces its edges and measures the generator's own CPU time over it. */
export class Window {
  readonly #announce: (edge: "open" | "close") => void;
  #openedAt: bigint | undefined;
  #cpuAtOpen: NodeJS.CpuUsage | undefined;
  #seconds = 0;
  #generatorCpuSeconds = 0;

  constructor(announce: (edge: "open" | "close") => void) {
    this.#announce = announce;
  }

  open(): void {
    this.#openedAt = process.hrtime.bigint();
    this.#cpuAtOpen = process.cpuUsage();
    this.#announce("open");
  }

  /** The second and later calls do nothing. */
  close(): void {
    if (this.#openedAt === undefined || this.#cpuAtOpen === undefined) return;
    this.#seconds = elapsedMs(this.#openedAt) / 1000;
    this.#generatorCpuSeconds = cpuSeconds(process.cpuUsage(this.#cpuAtOpen));
    this.#openedAt = undefined;
    this.#announce("close");
  }

  get measured(): { windowSeconds: number; generatorCpuSeconds: number } {
    return { windowSeconds: this.#seconds, generatorCpuSeconds: this.#generatorCpuSeconds };
  }
}

const cpuSeconds = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1e6;
