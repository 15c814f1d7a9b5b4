import { setTimeout as delay } from "node:timers/promises";
import { application, context, deployment, type Handle, HttpError, TuttiError } from "tutti";

/** Streams of every kind, one route each. */

const ended: { readonly name: string; readonly pulled: number; readonly aborted: string }[] = [];
let pulledNow = 0;

class Source {
  async *count(upTo: number) {
    for (let i = 1; i <= upTo; i++) yield i;
    return upTo;
  }

  /** Items of 64 KiB without an end. */
  async *flood() {
    const block = "x".repeat(64 * 1024);
    for (;;) {
      pulledNow += 1;
      yield block;
    }
  }

  pulled() {
    return pulledNow;
  }
}

class Front {
  readonly #source: Handle<Source>;
  constructor(source: Handle<Source>) {
    this.#source = source;
  }

  async *count(_: unknown, { query }: { query: Readonly<Record<string, string | string[]>> }) {
    let sum = 0;
    for await (const i of this.#source.count(Number(query["to"]))) {
      sum += i;
      yield { i };
    }
    return { sum };
  }

  async *failing(_: unknown, { query }: { query: Readonly<Record<string, string | string[]>> }) {
    const after = Number(query["after"]);
    for (let i = 0; i < after; i++) yield i;
    if (query["how"] === "http") throw new HttpError(409, "conflict", "it cannot be");
    throw new TuttiError("Unavailable", "upstream is away", { retryAfterSeconds: 3 });
  }

  async *slow(_: unknown, { query }: { query: Readonly<Record<string, string | string[]>> }) {
    let pulled = 0;
    const { signal } = context();
    try {
      for (;;) {
        yield ++pulled;
        await delay(Number(query["everyMs"]), undefined, { signal });
      }
    } finally {
      const aborted = signal.aborted ? (signal.reason as TuttiError).code : "no";
      ended.push({ name: String(query["name"]), pulled, aborted });
    }
  }

  async *bounded(_: unknown, { query }: { query: Readonly<Record<string, string | string[]>> }) {
    for (let i = 0; i < Number(query["items"]); i++) {
      await delay(Number(query["everyMs"]));
      yield i;
    }
  }

  /** Through another deployment, as far as it is read. */
  async *flood(_: unknown, { query }: { query: Readonly<Record<string, string | string[]>> }) {
    let pulled = 0;
    try {
      for await (const block of this.#source.flood()) {
        pulled += 1;
        yield block;
      }
    } finally {
      ended.push({ name: String(query["name"]), pulled, aborted: "" });
    }
  }

  async *die() {
    yield "first";
    await delay(20);
    process.kill(process.pid, "SIGKILL");
    await delay(60_000);
  }

  pulled() {
    return this.#source.pulled();
  }

  ended() {
    return ended;
  }
}

const options = { replicas: 1, maxOngoingRequests: 160 };

export default application({
  name: "streaming",
  deadlineMs: 60_000,
  ingress: deployment(Front, options).bind(
    deployment(Source, { ...options, compute: process.env["TUTTI_TEST_APART"] === "1" }).bind(),
  ),
  http: {
    "GET /count": "count",
    "GET /failing": "failing",
    "GET /slow": "slow",
    "GET /bounded": "bounded",
    "GET /flood": "flood",
    "GET /die": "die",
    "GET /pulled": "pulled",
    "GET /ended": "ended",
  },
});
