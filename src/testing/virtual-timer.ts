import type { CancelTimer } from "../clock/clock.ts";
import type { VirtualProcess } from "./virtual-process.ts";

/** What `setTimeout`, `setInterval` and `setImmediate` return to the code of a virtual process. */
export class VirtualTimer {
  readonly #arm: () => CancelTimer;
  #cancel: CancelTimer;

  private constructor(arm: (timer: VirtualTimer) => CancelTimer) {
    this.#arm = () => arm(this);
    this.#cancel = this.#arm();
  }

  static once(process: VirtualProcess, delayMs: number, callback: () => void): VirtualTimer {
    return new VirtualTimer(() => process.after(delayMs, callback));
  }

  static repeated(process: VirtualProcess, periodMs: number, callback: () => void): VirtualTimer {
    return new VirtualTimer((timer) =>
      process.after(periodMs, () => {
        timer.refresh();
        callback();
      }),
    );
  }

  static nextTurn(process: VirtualProcess, callback: () => void): VirtualTimer {
    return new VirtualTimer(() => process.onNextTurn(callback));
  }

  close(): void {
    this.#cancel();
  }

  [Symbol.dispose](): void {
    this.#cancel();
  }

  refresh(): this {
    this.#cancel();
    this.#cancel = this.#arm();
    return this;
  }

  /** A virtual process is kept alive by nothing. */
  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }
}
