import { type ErrorCode, isErrorCode } from "../errors/codes.ts";
import type { CallSpan, CallStatus, SecondAttemptNote } from "./call-group.ts";
import type { NamedStage, Outcome, RecordedCall, RecordedGroup } from "./recorded-call.ts";

/**
 * Recorded calls on their way to the node: as one list of numbers, with texts by their index, since some hundred records
 * of 15 spans each would be ten thousand objects with the same eleven names to write and to read.
 */
export interface PackedCalls {
  readonly texts: readonly string[];
  readonly numbers: Float64Array;
}

/** The index that stands for no text. */
const NOTHING = -1;

export function packCalls(calls: readonly RecordedCall[]): PackedCalls {
  const writer = new Writer();
  writer.numbers.push(calls.length);
  for (const call of calls) writer.call(call);
  return { texts: writer.texts, numbers: Float64Array.from(writer.numbers) };
}

export const unpackCalls = (packed: PackedCalls): RecordedCall[] => {
  const reader = new Reader(packed);
  return reader.list(() => reader.call());
};

class Writer {
  readonly texts: string[] = [];
  readonly numbers: number[] = [];
  readonly #indexOf = new Map<string, number>();

  call(call: RecordedCall): void {
    const { requestId, deployment, method, replica, application, applicationVersion, outcome, code } = call;
    for (const text of [
      requestId,
      deployment,
      method,
      replica,
      application,
      applicationVersion,
      outcome,
      code,
    ])
      this.#text(text);
    this.numbers.push(call.startedAtEpochMs, call.latencyMs, call.groups.length);
    for (const { method: called, startMs, endMs, calls } of call.groups) {
      this.#text(called);
      this.numbers.push(startMs, endMs, calls.length);
      for (const span of calls) this.#span(span);
    }
    this.numbers.push(call.stages.length);
    for (const { name, startMs, endMs } of call.stages) {
      this.#text(name);
      this.numbers.push(startMs, endMs);
    }
  }

  #span(span: CallSpan): void {
    for (const text of [span.name, span.status, span.code, span.executor]) this.#text(text);
    const { latencyMs, routedMs, queueMs, laneMs = queueMs, runMs, batchSize, attempts } = span;
    this.numbers.push(latencyMs, routedMs, queueMs, laneMs, runMs, batchSize, attempts);
    this.numbers.push(span.degraded === true ? 1 : 0);
    this.#secondAttempt(span.secondAttempt);
  }

  #secondAttempt(attempt: SecondAttemptNote | undefined): void {
    this.#text(attempt?.why);
    if (attempt === undefined) return;
    for (const text of [attempt.first, attempt.second, attempt.decided]) this.#text(text);
    this.numbers.push(attempt.afterMs);
  }

  #text(text: string | undefined): void {
    if (text === undefined) return void this.numbers.push(NOTHING);
    let index = this.#indexOf.get(text);
    if (index === undefined) {
      index = this.texts.push(text) - 1;
      this.#indexOf.set(text, index);
    }
    this.numbers.push(index);
  }
}

/** Reads in the order in which the writer wrote; what it reads was written by an executor of the same version. */
class Reader {
  readonly #packed: PackedCalls;
  #at = 0;

  constructor(packed: PackedCalls) {
    this.#packed = packed;
  }

  list<T>(read: () => T): T[] {
    const items: T[] = [];
    for (let left = this.#number(); left > 0; left--) items.push(read());
    return items;
  }

  call(): RecordedCall {
    return {
      requestId: this.#text(),
      deployment: this.#text(),
      method: this.#text(),
      replica: this.#text(),
      application: this.#text(),
      applicationVersion: this.#text(),
      outcome: this.#text() as Outcome,
      code: this.#code(),
      startedAtEpochMs: this.#number(),
      latencyMs: this.#number(),
      groups: this.list(() => this.#group()),
      stages: this.list(() => this.#stage()),
    };
  }

  #group(): RecordedGroup {
    return {
      method: this.#text(),
      startMs: this.#number(),
      endMs: this.#number(),
      calls: this.list(() => this.#span()),
    };
  }

  #span(): CallSpan {
    return {
      name: this.#text(),
      status: this.#text() as CallStatus,
      code: this.#code(),
      executor: this.#text(),
      latencyMs: this.#number(),
      routedMs: this.#number(),
      queueMs: this.#number(),
      laneMs: this.#number(),
      runMs: this.#number(),
      batchSize: this.#number(),
      attempts: this.#number(),
      degraded: this.#number() === 1,
      secondAttempt: this.#secondAttempt(),
    };
  }

  #secondAttempt(): SecondAttemptNote | undefined {
    const why = this.#packed.texts[this.#number()];
    if (why === undefined) return undefined;
    return {
      why: why as SecondAttemptNote["why"],
      first: this.#text(),
      second: this.#text(),
      decided: this.#text() as SecondAttemptNote["decided"],
      afterMs: this.#number(),
    };
  }

  #stage(): NamedStage {
    return { name: this.#text(), startMs: this.#number(), endMs: this.#number() };
  }

  #number(): number {
    return this.#packed.numbers[this.#at++]!;
  }

  #text(): string {
    return this.#packed.texts[this.#number()]!;
  }

  #code(): ErrorCode | undefined {
    const text = this.#packed.texts[this.#number()];
    return isErrorCode(text) ? text : undefined;
  }
}
