import { type BoundDeployment, bindingOf } from "../api/binding.ts";
import type { Handle } from "../api/handle.ts";
import { createHandle } from "../api/handle-proxy.ts";
import type { NodeRunner } from "../controller/node-runner.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { type CallCounts, sumCounts } from "../observe/call-counters.ts";
import type { RequestsQuery, RequestsReport } from "../observe/requests-report.ts";
import { deriveSeed, exponential, type Random, seededRandom } from "../policy/seeded-random.ts";
import type { Router } from "../router/router.ts";
import type { NodeObserver } from "../runtime/node-observer.ts";
import type { VersionRouters } from "../runtime/version-routers.ts";
import type { Decision } from "./decision.ts";
import { LoadResult } from "./load-result.ts";
import { Pending } from "./pending.ts";
import type { Plant } from "./plant.ts";
import type { SimulatedAnswer, SimulatedClient, SimulatedRequest } from "./simulated-client.ts";
import type { SimulatedExecutor } from "./simulated-executor.ts";
import type { SimulatedLauncher } from "./simulated-launcher.ts";
import type { VirtualProcess } from "./virtual-process.ts";
import type { VirtualTime } from "./virtual-time.ts";
import type { WorldRecord } from "./world-record.ts";

/** An open-loop load: requests come when they come, whatever became of those before them. */
export interface SimulatedLoad {
  /** Of a Poisson process. */
  readonly ratePerSecond: number;
  /** Requests begin within this time. */
  readonly durationMs: number;
  readonly make: (index: number, random: Random) => SimulatedRequest;
  /** Of the times and of what `make` draws. Default the world's. */
  readonly seed?: number;
}

/** What a world is made of. */
export interface WorldParts {
  readonly seed: number;
  readonly time: VirtualTime;
  readonly node: VirtualProcess;
  /** Where clients are. */
  readonly outside: VirtualProcess;
  readonly launcher: SimulatedLauncher;
  readonly routers: VersionRouters;
  /** Of the application. */
  readonly router: Router;
  readonly runner: NodeRunner;
  readonly observer: NodeObserver;
  readonly client: SimulatedClient;
  readonly record: WorldRecord;
  readonly close: () => Promise<void>;
}

/**
 * An application that runs on virtual time, in this process. Its time moves only while something of it is awaited;
 * whatever is done between two awaits happens at one moment.
 */
export class World {
  readonly #parts: WorldParts;
  #requests = 0;
  #loads = 0;

  constructor(parts: WorldParts) {
    this.#parts = parts;
  }

  get nowMs(): number {
    return this.#parts.time.nowMs;
  }

  /** All that was decided so far. */
  get decisions(): readonly Decision[] {
    return this.#parts.record.decisions;
  }

  /** Calls that ended otherwise than by an answer that was used, over all processes that there ever were. */
  counts(): CallCounts {
    const { launcher, routers } = this.#parts;
    const counters = launcher.executors.flatMap(({ assembled }) =>
      assembled === undefined ? [] : [assembled.router.counters.snapshot()],
    );
    return sumCounts([routers.counters.snapshot(), ...counters]);
  }

  /** Calls that are under way, over the routers of all processes that live; 0 when idle, or something was lost. */
  get outstandingCalls(): number {
    const { launcher, routers } = this.#parts;
    let calls = routers.outstandingCalls;
    for (const { assembled, process } of launcher.executors) {
      if (!process.hasEnded) calls += assembled?.router.outstandingCalls ?? 0;
    }
    return calls;
  }

  /**
   * What the flight recorder tells: requests that were slow, degraded, failed or refused, each with its cause, and what the
   * 95th percentile would be without a deployment or with one more replica of it. Default the 20 slowest.
   */
  requests(query: Partial<RequestsQuery> = {}): Pending<RequestsReport> {
    const { time, node, observer } = this.#parts;
    const whole = { kept: "slow" as const, limit: 20, id: undefined, deployment: undefined, ...query };
    return new Pending(
      time,
      node.run(() => observer.requests(whole)),
    );
  }

  /** Which executor fills which slot. */
  placements(): readonly { readonly slot: string; readonly executor: string | undefined }[] {
    return this.#parts.runner.placements().map(({ slot, executor }) => ({ slot, executor }));
  }

  /** Makes a request now. */
  request(request: SimulatedRequest): Pending<SimulatedAnswer> {
    return new Pending(this.#parts.time, this.#send(request));
  }

  /** Begins a load now; known when its last request has its answer. */
  load(load: SimulatedLoad): Pending<LoadResult> {
    const { time, outside, seed } = this.#parts;
    this.#loads += 1;
    const random = seededRandom(deriveSeed(load.seed ?? seed, `load ${this.#loads}`));
    const sent: Promise<SimulatedAnswer>[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const endAtMs = this.nowMs + load.durationMs;
    const sendNextAfter = (atMs: number): void => {
      const nextAtMs = atMs + exponential(1000 / load.ratePerSecond, random);
      if (nextAtMs > endAtMs) {
        outside.at(endAtMs, resolve);
        return;
      }
      outside.at(nextAtMs, () => {
        sent.push(this.#send(load.make(sent.length, random)));
        sendNextAfter(nextAtMs);
      });
    };
    sendNextAfter(this.nowMs);
    return new Pending(
      time,
      promise.then(async () => new LoadResult(await Promise.all(sent))),
    );
  }

  /** A live handle of a deployment, whose calls the node's router carries, as those of the edge. */
  handle<T>(deployment: BoundDeployment<T>): Handle<T> {
    const binding = bindingOf(deployment);
    if (binding === undefined) throw new TuttiError("InvalidOptions", "handle: expected a bound deployment");
    return createHandle<T>({ deployment: binding.name, port: this.#parts.router, options: {} });
  }

  /** Lets time pass until a promise has settled, such as that of a call of a handle. */
  until<T>(promise: Promise<T>): Promise<T> {
    return this.#parts.time.settle(promise);
  }

  /** Lets so much time pass. */
  advance(byMs: number): Promise<void> {
    return this.#parts.time.until(this.nowMs + byMs);
  }

  /**
   * Lets time pass until every request has its answer, no replica works on anything, and every slot is filled.
   *
   * @param withinMs how long that may take. Default a minute.
   * @throws TuttiError `DeadlineExceeded`, saying what is not idle.
   */
  async runUntilIdle(withinMs = 60_000): Promise<void> {
    const endAtMs = this.nowMs + withinMs;
    await this.#parts.time.untilTrue(() => this.#busy().length === 0 || this.nowMs >= endAtMs);
    const busy = this.#busy();
    if (busy.length === 0) return;
    throw new TuttiError("DeadlineExceeded", `not idle after ${withinMs} ms: ${busy.join(", ")}`);
  }

  /** Does something when so much time has passed, while something else is awaited. */
  after(delayMs: number, action: () => void): void {
    this.#parts.outside.at(this.nowMs + delayMs, action);
  }

  /** Plants a fault. @returns takes it out again. */
  plant(plant: Plant): () => void {
    return this.#parts.record.plant(plant);
  }

  /** Ends an executor's process at once. @param executor its id or its slot, such as `lane0`. */
  kill(executor: string): void {
    this.#executor(executor).die();
  }

  /** Stops an executor's process as SIGSTOP does. */
  pause(executor: string): void {
    this.#executor(executor).process.pause();
  }

  resume(executor: string): void {
    this.#executor(executor).process.resume();
  }

  /** Holds an executor's thread for so long. */
  block(executor: string, forMs: number): void {
    this.#executor(executor).process.block(forMs);
  }

  /** Ends everything, without a wait for anything. */
  close(): Promise<void> {
    return this.#parts.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #send(request: SimulatedRequest): Promise<SimulatedAnswer> {
    const { client, record, outside } = this.#parts;
    this.#requests += 1;
    const requestId = `r${this.#requests}`;
    record.requested(requestId, request.path);
    const answer = await outside.run(() => client.send(request, requestId));
    record.answered(requestId, answer.status);
    return answer;
  }

  /** What is not idle, in words. */
  #busy(): string[] {
    const { client, launcher, runner } = this.#parts;
    const busy = client.open === 0 ? [] : [`${client.open} requests`];
    for (const { slot, executor } of runner.placements())
      if (executor === undefined) busy.push(`${slot} is empty`);
    for (const { id, assembled, process, hasEnded } of launcher.executors) {
      if (process.hasEnded) {
        if (!hasEnded) busy.push(`the node has not heard of the end of ${id}`);
        continue;
      }
      for (const { deployment, ongoing } of assembled?.host.replicas.all() ?? []) {
        if (ongoing > 0) busy.push(`${ongoing} calls in ${deployment} of ${id}`);
      }
    }
    return busy;
  }

  #executor(name: string): SimulatedExecutor {
    const { launcher, runner } = this.#parts;
    const placements = runner.placements();
    const id = placements.find(({ slot }) => slot === name)?.executor ?? name;
    const executor = launcher.get(id);
    if (executor !== undefined && !executor.process.hasEnded) return executor;
    const known = placements.map(({ slot }) => slot).join(", ");
    throw new TuttiError("NotFound", `there is no executor ${name} now; slots: ${known}`);
  }
}
