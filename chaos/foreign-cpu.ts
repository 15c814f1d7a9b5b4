import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Ticks of `/proc/stat` in a second, on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** What part of the machine's processors is used by others than the system under test and this process. */
export class ForeignCpu {
  readonly #systemSeconds: () => number;
  readonly #startedAtMs = performance.now();
  readonly #busyAtStart = busySeconds();
  readonly #ownAtStart: number;

  constructor(systemSeconds: () => number) {
    this.#systemSeconds = systemSeconds;
    this.#ownAtStart = this.#own();
  }

  /** Since it was made: 0 to 1 of all cores. */
  fraction(): number {
    const seconds = (performance.now() - this.#startedAtMs) / 1000;
    const foreign = busySeconds() - this.#busyAtStart - (this.#own() - this.#ownAtStart);
    const fraction = foreign / (seconds * availableParallelism());
    return Math.round(100 * Math.min(1, Math.max(0, fraction))) / 100;
  }

  #own(): number {
    const { user, system } = process.cpuUsage();
    return this.#systemSeconds() + (user + system) / 1e6;
  }
}

/** All that was not idle, what other guests of the host took included. */
function busySeconds(): number {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = readFileSync(
    "/proc/stat",
    "latin1",
  )
    .split("\n", 1)[0]!
    .split(/\s+/)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND;
}
