import { setTimeout as delay } from "node:timers/promises";
import { batched, type Handle, type OnnxModel, Tensor, type TensorMap } from "tutti";
import { faultSwitch } from "./switch.ts";

/** So many times what it takes when it is well. */
const SLOWNESS = 10;
/** One input in so many is thrown at. */
const ONE_IN = 100;
/** Trips round a loop that does nothing: centuries of them. */
const FOR_EVER = 9e18;

/**
 * One of the ensemble's members: it asks the model that it stands for, or misbehaves as the switch says. Whatever it
 * does is real: the promise is never resolved, the time passes, the rows are missing, the lane's thread is in a loop.
 */
export class FaultyMember {
  readonly #model: Handle<OnnxModel>;
  /** How long the model takes when all is well, in ms: a mean that forgets. */
  #usualMs = 1;

  constructor(model: Handle<OnnxModel>, blocker: Handle<OnnxModel>, stubbornBlocker: Handle<OnnxModel>) {
    this.#model = model;
    const loop = () => ({ trips: new Tensor("float32", Float32Array.of(FOR_EVER), [1, 1]) });
    // What becomes of the call is of no interest: its executor is killed, or its deadline passes.
    faultSwitch.onStrike("block-lane", () => void blocker.predict(loop()).catch(() => {}));
    faultSwitch.onStrike(
      "block-lanes",
      () =>
        void stubbornBlocker
          .with({ deadlineMs: 5000 })
          .predict(loop())
          .catch(() => {}),
    );
  }

  readonly predict = batched({ maxConcurrentBatches: 1024 }, (inputs: (Tensor | TensorMap)[]) =>
    this.#predict(inputs),
  );

  async #predict(inputs: (Tensor | TensorMap)[]): Promise<TensorMap[]> {
    const { member } = faultSwitch;
    if (member === "never") return new Promise(() => {});
    if (member === "throws") for (const input of inputs) throwAtSome(input);
    const startedAtMs = performance.now();
    const answers = await Promise.all(inputs.map((input) => this.#model.predict(input)));
    if (member === "well") this.#usualMs += 0.05 * (performance.now() - startedAtMs - this.#usualMs);
    if (member === "slow") await delay((SLOWNESS - 1) * this.#usualMs);
    if (member === "wrong-rows") return answers.slice(1);
    return answers;
  }
}

/** The same inputs each time, so that repeating does not help. */
function throwAtSome(input: Tensor | TensorMap): void {
  if (!(input instanceof Tensor) || !(input.data instanceof Float32Array)) return;
  let hash = 0;
  for (const value of new Uint32Array(input.data.slice().buffer)) hash = (Math.imul(hash, 31) + value) >>> 0;
  if (hash % ONE_IN === 0) throw new Error("this input is not to my liking");
}
