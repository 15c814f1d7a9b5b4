import type { ApplicationView } from "../controller/application-view.ts";
import type { SlotView } from "../controller/slot.ts";

/** Whose what is: code executors are of one application each, models of all that want the same one. */
export class ApplicationNames {
  readonly #ofPlace = new Map<string, string>();
  readonly #ofModel = new Map<string, Set<string>>();

  constructor(applications: readonly ApplicationView[]) {
    for (const { name, versions } of applications) {
      for (const { runner } of versions) {
        for (const place of runner?.views() ?? []) this.#ofPlace.set(place.name, name);
        for (const { kind, key } of runner?.deployments() ?? []) {
          if (kind !== "model") continue;
          const names = this.#ofModel.get(key) ?? new Set();
          this.#ofModel.set(key, names.add(name));
        }
      }
    }
  }

  /** Empty for a place of models, and for one whose version has just gone. */
  ofPlace({ name }: Pick<SlotView, "name">): string {
    return this.#ofPlace.get(name) ?? "";
  }

  /** @param key see `PlannedReplica`. */
  ofModel(key: string): string {
    return [...(this.#ofModel.get(key) ?? [])].toSorted().join("+");
  }
}
