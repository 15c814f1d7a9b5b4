/**
 * What must not compile. Checked by `tsc` alone, never run: a line below `@ts-expect-error` that compiles is an error.
 */
import { application } from "./application.ts";
import { type Batched, batched } from "./batched.ts";
import type { BoundDeployment } from "./binding.ts";
import { decisive, mean, vote } from "./combiners.ts";
import { deployment } from "./deployment.ts";
import { type Ensemble, ensemble } from "./ensemble.ts";
import type { EnsembleResult } from "./ensemble-result.ts";
import type { Handle } from "./handle.ts";
import type { OnnxModel } from "./onnx-model.ts";

/** Compiles only if both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>): void => {};

class Features {
  readonly size = 3;
  #cache = new Map<string, number[]>();
  private hidden(): string {
    return "hidden";
  }
  protected guarded(): string {
    return this.hidden();
  }
  get count(): number {
    return this.#cache.size;
  }
  async get(playerId: string, limit?: number): Promise<number[]> {
    this.guarded();
    return this.#cache.get(playerId)?.slice(0, limit) ?? [];
  }
  sync(value: number): string {
    return String(value);
  }
  async *rows(from: number): AsyncGenerator<number> {
    yield from;
  }
  readonly embed: Batched<string, number[]> = batched({ maxBatchSize: 8 }, async (texts: string[]) =>
    texts.map((text) => [text.length]),
  );
  reconfigure(_config: { threshold: number }): void {}
  checkHealth(): void {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

class Offers {
  readonly features: Handle<Features>;
  readonly limit: number;
  constructor(features: Handle<Features>, limit: number) {
    this.features = features;
    this.limit = limit;
  }
  async offer(body: { playerId: string }): Promise<string> {
    return body.playerId;
  }
}

class Created {
  readonly url: string;
  constructor(url: string, _secret: symbol) {
    this.url = url;
  }
  static async create(url: string): Promise<Created> {
    return new Created(url, Symbol("made here"));
  }
  async ping(): Promise<true> {
    return true;
  }
}

declare const features: Handle<Features>;
declare const boundFeatures: BoundDeployment<Features>;

/** A handle's methods. */
export async function handles(): Promise<void> {
  same<Awaited<ReturnType<typeof features.get>>, number[]>(true);
  await features.get("player-00001");
  await features.get("player-00001", 5);
  // @ts-expect-error: no such method
  await features.fetch("player-00001");
  // @ts-expect-error: an argument of the wrong type
  await features.get(42);
  // @ts-expect-error: an argument is missing
  await features.get();
  // @ts-expect-error: one argument too many
  await features.get("player-00001", 5, 6);
  // @ts-expect-error: the result is a promise of numbers
  const row: string = await features.get("player-00001");
  // @ts-expect-error: the result is a promise, not the value
  features.get("player-00001").length;

  // A method that is not asynchronous is so from afar.
  same<ReturnType<typeof features.sync>, Promise<string>>(true);
  // @ts-expect-error: a promise has no length
  features.sync(1).length;

  // @ts-expect-error: a private method
  features.hidden();
  // @ts-expect-error: a protected method
  features.guarded();
  // @ts-expect-error: a field is no method
  features.size;
  // @ts-expect-error: nor is an accessor
  features.count;
  // @ts-expect-error: called by the runtime alone
  features.reconfigure({ threshold: 1 });
  // @ts-expect-error: called by the runtime alone
  features.checkHealth();
  // @ts-expect-error: called by the runtime alone
  features[Symbol.asyncDispose]();
  // @ts-expect-error: a handle is no promise
  features.then(() => {});
  // @ts-expect-error: and cannot be changed
  features.get = async () => [];
  return void row;
}

export async function batchedMethods(): Promise<void> {
  same<typeof features.embed, (input: string) => Promise<number[]>>(true);
  // @ts-expect-error: from afar it takes one input, not a list
  await features.embed(["text"]);
  // @ts-expect-error: of its own type
  await features.embed(5);
  // @ts-expect-error: and gives one result
  const all: number[][] = await features.embed("text");
  // @ts-expect-error: whose options stay at home
  features.embed.batchedOptions;
  // @ts-expect-error: as many results as inputs, in a list
  batched({}, async (inputs: string[]) => inputs.length);
  // @ts-expect-error: an option that is none
  batched({ waitMs: 5 }, async (inputs: string[]) => inputs);
  return void all;
}

export async function streams(): Promise<void> {
  same<ReturnType<typeof features.rows>, AsyncIterable<number>>(true);
  for await (const row of features.rows(1)) same<typeof row, number>(true);
  // @ts-expect-error: not a promise of rows
  const rows: number[] = await features.rows(1);
  return void rows;
}

export function callOptions(): void {
  same<ReturnType<typeof features.with>, Handle<Features>>(true);
  features.with({ deadlineMs: 5, priority: 0, signal: AbortSignal.timeout(5) });
  // @ts-expect-error: no such option
  features.with({ timeoutMs: 5 });
  // @ts-expect-error: of the wrong type
  features.with({ deadlineMs: "5" });
}

export function binding(): void {
  deployment(Offers).bind(boundFeatures, 3);
  deployment(Offers).bind(features, 3);
  // @ts-expect-error: an argument is missing
  deployment(Offers).bind(boundFeatures);
  // @ts-expect-error: of the wrong type
  deployment(Offers).bind(boundFeatures, "3");
  // @ts-expect-error: in the wrong order
  deployment(Offers).bind(3, boundFeatures);
  // @ts-expect-error: a deployment that was not bound
  deployment(Offers).bind(deployment(Features), 3);
  // @ts-expect-error: the handle of another class
  deployment(Offers).bind(deployment(Created).bind("url"), 3);
  // @ts-expect-error: no option of a deployment
  deployment(Features, { replica: 2 });
  // @ts-expect-error: not a class
  deployment(new Features());

  // `static async create` has the arguments, not the constructor.
  deployment(Created).bind("url");
  // @ts-expect-error: the constructor's second argument is not create's
  deployment(Created).bind("url", Symbol("no"));
  same<ReturnType<ReturnType<typeof deployment<typeof Created>>["bind"]>, BoundDeployment<Created>>(true);
}

export function routes(): void {
  const ingress = deployment(Offers).bind(boundFeatures, 3);
  application({ name: "offers", ingress, http: { "POST /:game": "offer" } });
  application({ name: "offers", ingress, http: { "POST /:game": { method: "offer" } } });
  // @ts-expect-error: the class has no such method
  application({ name: "offers", ingress, http: { "POST /:game": "ofer" } });
  // @ts-expect-error: nor here
  application({ name: "offers", ingress, http: { "POST /:game": { method: "ofer" } } });
  // @ts-expect-error: a field is no method
  application({ name: "offers", ingress, http: { "POST /:game": "limit" } });
  // @ts-expect-error: not a schema
  application({ name: "offers", ingress, http: { "POST /:game": { method: "offer", body: {} } } });
  // @ts-expect-error: a handle's own name is no method of the class
  application({ name: "offers", ingress, http: { "POST /:game": "with" } });
  // @ts-expect-error: a class is not bound
  application({ name: "offers", ingress: Offers, http: {} });
  // @ts-expect-error: an application has a name
  application({ ingress, http: { "POST /:game": "offer" } });
}

interface Scorer {
  score(input: number[]): Promise<number>;
  label(input: number[]): Promise<string>;
}
interface Labeller {
  label(input: number[]): Promise<"cat" | "dog">;
}
declare const scorers: Handle<Scorer>[];
declare const labellers: Handle<Labeller>[];
declare const models: Handle<OnnxModel>[];

export async function ensembles(): Promise<void> {
  const all = ensemble(scorers, { combine: mean, quorum: 0.8 });
  same<typeof all, Ensemble<Scorer, number>>(true);
  same<Awaited<ReturnType<typeof all.score>>, EnsembleResult<number>>(true);
  const { value, members } = await all.score([1]);
  same<typeof value, number>(true);
  same<(typeof members)[number]["status"], "ok" | "late" | "failed" | "shed" | "cancelled">(true);
  // @ts-expect-error: no such method
  await all.predict([1]);
  // @ts-expect-error: the members' own argument
  await all.score("text");
  // @ts-expect-error: the value is a number
  const text: string = value;
  // @ts-expect-error: nothing of a result can be changed
  (await all.score([1])).degraded = false;
  // @ts-expect-error: a call option that is none
  all.with({ timeoutMs: 5 });
  // @ts-expect-error: an option that is none
  ensemble(scorers, { combine: mean, quorums: 2 });
  // @ts-expect-error: an ensemble without a combiner
  ensemble(scorers, { quorum: 2 });
  // @ts-expect-error: what is no handle
  ensemble([{ score: 1 }], { combine: mean });

  const whole = ensemble(scorers, {
    combine: decisive(mean, { min: 0, max: 1, decide: (value) => value >= 0.5 }),
    required: ["a"],
    optional: ["b"],
    minWeight: 2,
    onMissing: "default",
    default: (member) => member.length,
    hedge: true,
  });
  same<typeof whole, Ensemble<Scorer, number>>(true);
  ensemble(scorers, { combine: mean, onMissing: "default", default: 0.5 });
  // @ts-expect-error: what stands in for an answer is of the answers' type
  ensemble(scorers, { combine: mean, onMissing: "default", default: "text" });
  // @ts-expect-error: also where a function says it
  ensemble(scorers, { combine: mean, onMissing: "default", default: () => "text" });
  // @ts-expect-error: no such way
  ensemble(scorers, { combine: mean, onMissing: "skip" });
  // @ts-expect-error: a list of names
  ensemble(scorers, { combine: mean, required: "a" });
  // @ts-expect-error: votes are not decided by a number
  decisive(vote, { min: 0, max: 1, decide: Boolean });
  // @ts-expect-error: a decision has bounds
  decisive(mean, { decide: Boolean });

  const voted = await ensemble(labellers, { combine: vote }).label([1]);
  same<typeof voted.value, string | number>(true);

  const own = ensemble(models, {
    combine: (answers: readonly { readonly value: number }[]) => answers.length > 1,
    select: (output) => output["probability"]!.dims.length,
  });
  const combined = await own.predict({});
  same<typeof combined.value, boolean>(true);
  // @ts-expect-error: the function that selects gives what the one that combines does not take
  ensemble(models, { combine: mean, select: () => "text" });
  return void text;
}
