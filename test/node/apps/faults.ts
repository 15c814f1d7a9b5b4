import { setTimeout as delay } from "node:timers/promises";
import { application, deployment, type HttpRequestInfo } from "tutti";

/** Ways in which user code can harm its own process. Two replicas, each in an executor of its own. */
class Faulty {
  readonly #ballast: Buffer[] = [];
  #isSick = false;

  who() {
    return process.pid;
  }

  async sleep(_: unknown, { query }: HttpRequestInfo) {
    await delay(Number(query["ms"]));
    return process.pid;
  }

  /** Says so on its output first, since nobody will hear of it later. */
  block(): never {
    process.stdout.write(`blocking ${process.pid}\n`);
    for (;;);
  }

  poison(): never {
    process.stdout.write(`poisoned ${process.pid}\n`);
    process.exit(9);
  }

  /** Grows by so much, in memory that is really used. */
  swell(_: unknown, { query }: HttpRequestInfo) {
    this.#ballast.push(Buffer.alloc(Number(query["mb"]) * 2 ** 20, 1));
    return process.pid;
  }

  /** From now on its health checks fail. */
  sicken() {
    this.#isSick = true;
    return process.pid;
  }

  checkHealth(): void {
    if (this.#isSick) throw new Error("the disk is full");
  }

  /** A promise that nobody waits for. */
  forget() {
    void Promise.reject(new Error("nobody caught me"));
    return process.pid;
  }
}

export default application({
  name: "faults",
  deadlineMs: 15_000,
  ingress: deployment(Faulty, {
    replicas: 2,
    maxOngoingRequests: 256,
    idempotent: ["who", "poison"],
    healthCheck: { periodMs: 100 },
  }).bind(),
  http: {
    "GET /who": "who",
    "GET /sleep": "sleep",
    "GET /block": "block",
    "GET /poison": "poison",
    "GET /swell": "swell",
    "GET /forget": "forget",
    "GET /sicken": "sicken",
  },
});
