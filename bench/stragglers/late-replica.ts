import type { HostedReplica, ReplySink, StreamSink } from "../../dist/executor/hosted-replica.js";
import { ModelReplica } from "../../dist/executor/model-replica.js";

/**
 * One replica of this process answers later by so long from now on, while its lane is free: the first one that is called
 * from now on, so that it is one that is in use. Resolves when that has been called.
 */
export function lateReplica(byMs: number): Promise<void> {
  const held = Promise.withResolvers<void>();
  let late: HostedReplica | undefined;
  const sinks = new WeakMap<ReplySink, LateSink>();
  const later = (from: ReplySink): LateSink => {
    const known = sinks.get(from) ?? new LateSink(from, byMs);
    sinks.set(from, known);
    return known;
  };
  const { prototype } = ModelReplica;
  const { accept, cancel, withdraw } = prototype;
  prototype.accept = function (call, from, part) {
    late ??= this;
    held.resolve();
    accept.call(this, call, this === late ? later(from) : from, part);
  };
  prototype.cancel = function (id, from) {
    cancel.call(this, id, this === late ? later(from) : from);
  };
  prototype.withdraw = function (id, part, from) {
    withdraw.call(this, id, part, this === late ? later(from) : from);
  };
  return held.promise;
}

/** Tells everything later. */
class LateSink implements StreamSink {
  readonly #sink: ReplySink;
  readonly #byMs: number;

  constructor(sink: ReplySink, byMs: number) {
    this.#sink = sink;
    this.#byMs = byMs;
  }

  reply(...told: Parameters<ReplySink["reply"]>): void {
    setTimeout(() => this.#sink.reply(...told), this.#byMs);
  }

  replyRows(...told: Parameters<ReplySink["replyRows"]>): void {
    setTimeout(() => this.#sink.replyRows(...told), this.#byMs);
  }

  openStream(): never {
    throw new Error("a model has no streams");
  }
}
