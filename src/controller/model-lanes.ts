import { TuttiError } from "../errors/tutti-error.ts";
import type { ExecutorAddress } from "../router/snapshot.ts";
import { ExecutorSlots, type ExecutorSlotsOptions } from "./executor-slots.ts";
import { OneAtATime } from "./one-at-a-time.ts";
import { type PlanChange, type PlanLimits, planChange, type Wish } from "./plan.ts";
import type { LiveReplica, SlotView } from "./slot.ts";
import type { SlotNames } from "./slot-names.ts";

export interface ModelLanesOptions extends ExecutorSlotsOptions {
  readonly limits: PlanLimits;
  readonly names: SlotNames;
  /** Whether anybody is served by now: then loading must not hold a lane up for long. */
  readonly isServing: () => boolean;
}

/** Who wants models. */
export interface ModelOwner {
  /** For messages. */
  readonly title: string;
}

/** So many models may be loaded by a lane that serves, one at a time; for more, a fresh process takes over. */
const FEW_LOADS = 2;

/**
 * The model executors of a node, and whose models are in them: models are files, and one replica of a file serves every
 * version that wants it.
 *
 * - **M1** What a version wants is loaded before `want` resolves, and stays until `release`.
 * - **M2** A model is unloaded only when nobody wants it any more.
 */
export class ModelLanes {
  readonly slots: ExecutorSlots;
  readonly #options: ModelLanesOptions;
  readonly #wants = new Map<ModelOwner, readonly Wish[]>();
  readonly #turns = new OneAtATime();

  constructor(options: ModelLanesOptions) {
    this.#options = options;
    this.slots = new ExecutorSlots(options);
  }

  /**
   * Has everything loaded that a version wants, instead of what it wanted before.
   *
   * @throws TuttiError when a model cannot be loaded or has no room: then it wants what it wanted before.
   */
  want(owner: ModelOwner, wishes: readonly Wish[]): Promise<void> {
    return this.#turns.run(async () => {
      const before = this.#wants.get(owner) ?? [];
      // Nothing goes before everything has come.
      const change = this.#planWith(owner, [...wishes, ...before]);
      if (change.unplaced.length > 0) {
        for (const { name } of change.slots) this.#options.names.free(name);
        throw new TuttiError("StartFailed", `${owner.title}: ${change.unplaced[0]}`);
      }
      await this.#load(change);
      this.#wants.set(owner, wishes);
      await this.#unloadUnwanted();
    });
  }

  /** It wants nothing any more. */
  release(owner: ModelOwner): Promise<void> {
    this.#wants.delete(owner);
    return this.#turns.run(() => this.#unloadUnwanted());
  }

  liveOf(key: string): LiveReplica[] {
    return this.slots.live().filter((replica) => replica.key === key);
  }

  addresses(): ExecutorAddress[] {
    return this.slots.addresses();
  }

  views(): SlotView[] {
    return this.slots.views();
  }

  async #load({ slots, added }: PlanChange): Promise<void> {
    try {
      await this.slots.fill(slots);
      for (const { name, replicas } of added) {
        const isFew = replicas.length <= FEW_LOADS || !this.#options.isServing();
        await this.slots.add(name, replicas, isFew ? "in-place" : "fresh");
      }
    } catch (thrown) {
      await this.#unloadUnwanted();
      throw thrown;
    }
  }

  async #unloadUnwanted(): Promise<void> {
    const { dropped } = this.#planWith(undefined, []);
    for (const { name, replicas } of dropped) await this.slots.drop(name, replicas);
    if (this.#wants.size > 0) return;
    for (const { name, planned } of this.slots.views()) {
      if (planned.length > 0) continue;
      await this.slots.remove(name, 0, "no model is wanted any more");
      this.#options.names.free(name);
    }
  }

  #planWith(owner: ModelOwner | undefined, wishes: readonly Wish[]): PlanChange {
    const others = [...this.#wants].flatMap(([who, wants]) => (who === owner ? [] : wants));
    const { lanes, laneMemoryMb } = this.#options.limits;
    return planChange(together([...others, ...wishes]), {
      kind: "model",
      slots: this.slots.views().map(({ name, planned }) => ({ name, replicas: planned })),
      maxShared: lanes,
      memoryMb: laneMemoryMb,
      nameAfter: (prefix) => this.#options.names.take(prefix),
    });
  }
}

/** Wishes for one thing by several: as many copies as the one that wants most. */
function together(wishes: readonly Wish[]): Wish[] {
  const byKey = new Map<string, Wish>();
  for (const wish of wishes) {
    const known = byKey.get(wish.key);
    if (known === undefined || known.replicas < wish.replicas) byKey.set(wish.key, wish);
  }
  return [...byKey.values()];
}
