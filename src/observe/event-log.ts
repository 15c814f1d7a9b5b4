export type VersionEventState =
  | "starting"
  | "ready"
  | "start-failed"
  | "given-up"
  | "changed"
  | "change-failed"
  | "draining"
  | "ended";

/** Something that happened to a node, for those who watch it. */
export type NodeEvent =
  | {
      readonly type: "executor-started";
      readonly executor: string;
      readonly id: string;
      readonly tookMs: number;
    }
  | {
      readonly type: "executor-lost";
      readonly executor: string;
      readonly id: string;
      readonly reason: string;
    }
  /** It is being replaced while it still serves. */
  | {
      readonly type: "executor-retiring";
      readonly executor: string;
      readonly id: string;
      readonly reason: string;
    }
  /** Replicas in it are being replaced. */
  | {
      readonly type: "executor-unhealthy";
      readonly executor: string;
      readonly id: string;
      readonly reason: string;
    }
  | {
      readonly type: "executor-start-failed";
      readonly executor: string;
      readonly reason: string;
      readonly retryInMs: number;
    }
  | {
      readonly type: "deployment";
      readonly deployment: string;
      readonly state: "ready" | "short" | "down";
      readonly ready: number;
      readonly wanted: number;
    }
  /** A version of an application: its way from its start to its end. */
  | {
      readonly type: "version";
      readonly application: string;
      readonly version: string;
      readonly state: VersionEventState;
      readonly reason: string;
    }
  /** Which versions get an application's requests from now on, and how large a share. */
  | {
      readonly type: "traffic";
      readonly application: string;
      readonly shares: readonly { readonly version: string; readonly weight: number }[];
    }
  | {
      readonly type: "application";
      readonly application: string;
      readonly status: string;
      readonly reason: string;
    }
  | { readonly type: "controller-failed"; readonly reason: string }
  /** What it had failed at is done, or can be done, again. */
  | { readonly type: "controller-recovered"; readonly reason: string }
  | { readonly type: "node"; readonly ready: boolean; readonly reason: string };

export interface LoggedEvent {
  /** Rises by one with each event of this node. */
  readonly id: number;
  /** Milliseconds since 1970. */
  readonly atEpochMs: number;
  readonly event: NodeEvent;
}

export type EventReader = (logged: LoggedEvent) => void;

/** So many are kept for who comes later. */
const MAX_KEPT = 256;

/** The last events of a node, and who is told of the next ones. */
export class EventLog {
  readonly #kept: LoggedEvent[] = [];
  readonly #readers = new Set<EventReader>();
  readonly #nowEpochMs: () => number;
  #nextId = 1;

  constructor(nowEpochMs: () => number = Date.now) {
    this.#nowEpochMs = nowEpochMs;
  }

  add(event: NodeEvent): void {
    const logged = { id: this.#nextId++, atEpochMs: this.#nowEpochMs(), event };
    if (this.#kept.length >= MAX_KEPT) this.#kept.shift();
    this.#kept.push(logged);
    for (const reader of this.#readers) reader(logged);
  }

  /**
   * Tells a reader of each event from now on.
   *
   * @param afterId the last one that it knows: what is kept of those after it is told first. Undefined: none of them.
   * @returns ends it.
   */
  read(afterId: number | undefined, reader: EventReader): () => void {
    // An id that was never given is one of a node before this: then all is news.
    const known = afterId !== undefined && afterId >= this.#nextId ? 0 : afterId;
    if (known !== undefined) for (const logged of this.#kept) if (logged.id > known) reader(logged);
    this.#readers.add(reader);
    return () => void this.#readers.delete(reader);
  }
}
