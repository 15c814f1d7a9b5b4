import { setTimeout as delay } from "node:timers/promises";
import {
  application,
  batched,
  context,
  deployment,
  type Handle,
  HttpError,
  type HttpRequestInfo,
  type OnnxModel,
  onnxModel,
  Tensor,
  TuttiError,
} from "tutti";
import { z } from "zod";

/** What a user can build, in small pieces, one route each. `TUTTI_TEST_MODEL` is an ONNX file: float32 [N, 3] to the same. */

class Doubler {
  readonly double = batched({ maxBatchSize: 8 }, async (inputs: number[]) => {
    if (inputs.includes(13) && inputs.length > 1) throw new Error("13 spoils the whole batch");
    if (inputs.includes(13)) throw new Error("13 is unlucky");
    await delay(20);
    return inputs.map((input) => ({ value: 2 * input, batchSize: inputs.length }));
  });
}

/** Computes: it has an executor to itself. */
class Burner {
  burn(ms: number) {
    const endAtMs = performance.now() + ms;
    while (performance.now() < endAtMs);
    return process.pid;
  }

  /** What cannot cross to another process. */
  secretFunction() {
    return { callMe: () => 42 };
  }
}

class Narrow {
  async wait(ms: number) {
    await delay(ms, undefined, { signal: context().signal });
    return "through";
  }
}

class Single {
  async work() {
    return "alone";
  }
}

interface Aborted {
  readonly requestId: string;
  readonly reason: string;
}

class Front {
  readonly #doubler: Handle<Doubler>;
  readonly #burner: Handle<Burner>;
  readonly #narrow: Handle<Narrow>;
  readonly #model: Handle<OnnxModel>;
  readonly #single: Handle<Single>;
  readonly #aborted: Aborted[] = [];
  #greeting = "none";
  #charges = 0;
  #sleeping = 0;

  constructor(
    doubler: Handle<Doubler>,
    burner: Handle<Burner>,
    narrow: Handle<Narrow>,
    model: Handle<OnnxModel>,
    single: Handle<Single>,
  ) {
    this.#single = single;
    this.#doubler = doubler;
    this.#burner = burner;
    this.#narrow = narrow;
    this.#model = model;
  }

  reconfigure({ greeting }: { greeting: string }) {
    this.#greeting = greeting;
  }

  greet() {
    return { greeting: this.#greeting };
  }

  double({ x }: { x: number }) {
    return this.#doubler.double(x);
  }

  where() {
    const {
      requestId,
      replica,
      application: name,
      applicationVersion,
      priority,
      deadlineAtMs,
      signal,
    } = context();
    const leftMs = deadlineAtMs - performance.now();
    return { requestId, replica, name, applicationVersion, priority, leftMs, aborted: signal.aborted };
  }

  echo(body: unknown, { params, query, headers }: HttpRequestInfo) {
    return { body, params, query, agent: headers["user-agent"] };
  }

  refuse(): never {
    throw new HttpError(418, "teapot", "short and stout", "body.leaves");
  }

  fail(): never {
    throw new Error("the password is hunter2");
  }

  async burn(_: unknown, { query }: HttpRequestInfo) {
    return { own: process.pid, burner: await this.#burner.burn(Number(query["ms"])) };
  }

  async sleep(_: unknown, { query }: HttpRequestInfo) {
    const { signal, requestId } = context();
    this.#sleeping += 1;
    try {
      await delay(Number(query["ms"]), undefined, { signal });
      return { slept: true };
    } catch (thrown) {
      this.#aborted.push({
        requestId,
        reason: signal.reason instanceof TuttiError ? signal.reason.code : String(thrown),
      });
      throw thrown;
    } finally {
      this.#sleeping -= 1;
    }
  }

  sleepers() {
    return { sleeping: this.#sleeping, aborted: this.#aborted };
  }

  /** Does not look at its signal. */
  async ignore(_: unknown, { query }: HttpRequestInfo) {
    await delay(Number(query["ms"]));
    return { ignored: true };
  }

  async shortLeash() {
    const startedAtMs = performance.now();
    try {
      await this.#narrow.with({ deadlineMs: 50 }).wait(3000);
      return { code: "none", afterMs: 0 };
    } catch (thrown) {
      return {
        code: thrown instanceof TuttiError ? thrown.code : "other",
        afterMs: performance.now() - startedAtMs,
      };
    }
  }

  /** Has a side effect, then needs one that may have no room. */
  async charge(_: unknown, { query }: HttpRequestInfo) {
    this.#charges += 1;
    return this.#narrow.wait(Number(query["ms"]));
  }

  charges() {
    return { charges: this.#charges };
  }

  async predict({
    dims,
    type = "float32",
    name,
  }: {
    dims: number[];
    type?: "float32" | "float64";
    name?: string;
  }) {
    const size = dims.reduce((product, dim) => product * dim, 1);
    const data = type === "float32" ? new Float32Array(size).fill(0.5) : new Float64Array(size);
    const tensor = new Tensor(type, data, dims);
    const outputs = await this.#model.predict(name === undefined ? tensor : { [name]: tensor });
    return { dims: outputs["y"]!.dims, first: (outputs["y"]!.data as Float32Array)[0] };
  }

  async mixedUp() {
    // What a user's plain JavaScript might do, whatever the types say.
    return this.#model.predict("three floats" as unknown as Tensor);
  }

  single() {
    return this.#single.work();
  }

  bigint() {
    return { value: 10n };
  }

  circular() {
    const value: { self?: unknown } = {};
    value.self = value;
    return value;
  }

  aFunction() {
    return () => 42;
  }

  nothing() {}

  fromAfar() {
    return this.#burner.secretFunction();
  }

  toAfar() {
    return this.#burner.burn((() => 42) as unknown as number);
  }
}

const narrow = deployment(Narrow, { maxOngoingRequests: 4 }).bind();

export default application({
  name: "behaviours",
  version: "7",
  deadlineMs: 5000,
  ingress: deployment(Front, { userConfig: { greeting: "hello" } }).bind(
    deployment(Doubler, { idempotent: true }).bind(),
    deployment(Burner, { compute: true }).bind(),
    narrow,
    onnxModel({ name: "identity", path: process.env["TUTTI_TEST_MODEL"] ?? "identity.onnx" }),
    deployment(Single, { maxOngoingRequests: 1 }).bind(),
  ),
  http: {
    "GET /greet": "greet",
    "POST /double": { method: "double", body: z.object({ x: z.number() }) },
    "GET /where": "where",
    "POST /echo/:what/:which": "echo",
    "GET /refuse": "refuse",
    "GET /fail": "fail",
    "GET /burn": "burn",
    "GET /sleep": "sleep",
    "GET /sleepers": "sleepers",
    "GET /ignore": {
      method: "ignore",
      fallback: { body: { spare: true, reason: "$reason", id: "$requestId" } },
    },
    "GET /short-leash": "shortLeash",
    "POST /charge": "charge",
    "GET /charges": "charges",
    "POST /predict": "predict",
    "GET /mixed-up": "mixedUp",
    "GET /single": "single",
    "GET /bigint": "bigint",
    "GET /circular": "circular",
    "GET /function": "aFunction",
    "GET /nothing": "nothing",
    "GET /from-afar": "fromAfar",
    "GET /to-afar": "toAfar",
  },
});
