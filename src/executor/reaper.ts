import { type ChildProcess, spawn } from "node:child_process";
import { systemClock } from "../clock/clock.ts";

/**
 * Keeps the list of processes it is told (`+ <pid>`, `- <pid>`); when its input ends, which is when the node has ended
 * in whatever way, kills those on it. Signals to the process group are for others: it lives as long as its input.
 */
const SCRIPT = `
trap '' INT TERM HUP
pids=' '
while read -r sign pid; do
  if [ "$sign" = + ]; then pids="$pids$pid "; else pids="\${pids% $pid *} \${pids#* $pid }"; fi
done
for pid in $pids; do kill -9 "$pid" 2>/dev/null; done`;

const RESTART_MS = 1000;

/**
 * Ends a node's executors when the node is killed without a word (X2). An executor sees the end of its own standard
 * input, but not while its thread is blocked or the process is stopped, and Linux tells a child of its parent's death
 * only by a call that Node does not have. A shell costs a few hundred kilobytes; a thread in each executor costs
 * megabytes and stops with it.
 *
 * Without a shell at `/bin/sh` there is no reaper, and executors end by their input alone.
 */
export class Reaper {
  readonly #pids = new Set<number>();
  #child: ChildProcess | undefined;
  #closed = false;

  add(pid: number): void {
    this.#pids.add(pid);
    if (this.#child === undefined) this.#start();
    else this.#tell("+", pid);
  }

  /** It has ended: its number may soon be another's. */
  remove(pid: number): void {
    if (this.#pids.delete(pid)) this.#tell("-", pid);
  }

  /** Resolves when it has ended; kills what was not removed. */
  async close(): Promise<void> {
    this.#closed = true;
    const child = this.#child;
    if (child === undefined) return;
    const ended = new Promise((resolve) => child.once("exit", resolve).once("error", resolve));
    child.stdin?.end();
    await ended;
  }

  #start(): void {
    if (this.#closed || this.#child !== undefined) return;
    const child = spawn("/bin/sh", ["-c", SCRIPT, "tutti-reaper"], { stdio: ["pipe", "ignore", "ignore"] });
    this.#child = child;
    // It says the same as `exit`, and writing to it is of no use then.
    child.stdin.on("error", () => {});
    child.on("error", () => {
      this.#child = undefined;
    });
    child.on("exit", () => {
      this.#child = undefined;
      systemClock.afterInBackground(RESTART_MS, () => this.#start());
    });
    child.unref();
    for (const pid of this.#pids) this.#tell("+", pid);
  }

  #tell(sign: "+" | "-", pid: number): void {
    this.#child?.stdin?.write(`${sign} ${pid}\n`);
  }
}
