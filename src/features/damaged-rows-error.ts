import { TuttiError } from "../errors/tutti-error.ts";

/** Rows that exist but cannot be read. Names their keys, so that a shared batch can spare the others (F4). */
export class DamagedRowsError extends TuttiError {
  readonly keys: readonly string[];

  /** @param reason of the first, e.g. `its vector has 3 bytes, not a multiple of 4`. */
  constructor(store: string, keys: readonly string[], reason: string) {
    const others = keys.length > 1 ? ` (and ${keys.length - 1} more rows)` : "";
    super(
      "FeaturesUnavailable",
      `${store}: the row of "${keys[0]}" is damaged: ${reason}${others}; put it again`,
    );
    this.keys = keys;
  }
}
