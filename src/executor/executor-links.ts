import type { CancelTimer, Clock } from "../clock/clock.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { Router } from "../router/router.ts";
import type { ExecutorAddress } from "../router/snapshot.ts";
import { Peer } from "../wire/peer.ts";
import type { Transport } from "../wire/transport.ts";
import { countLosses } from "./count-losses.ts";

const RECONNECT_MS = 50;

type LinkState =
  | { readonly kind: "connecting" }
  | { readonly kind: "open"; readonly peer: Peer }
  | { readonly kind: "waiting"; readonly cancelTimer: CancelTimer };

export interface ExecutorLinksOptions {
  /** Who dials, for messages. */
  readonly name: string;
  readonly token: string;
  readonly dial: (executor: ExecutorAddress) => Promise<Transport>;
  /** Told what opens and closes; set after construction, since the router needs this object first. */
  readonly router: () => Router;
}

/** A process's connections to the executors its router may send to, kept up while the snapshot has them. */
export class ExecutorLinks {
  readonly #options: ExecutorLinksOptions;
  readonly #links = new Map<string, LinkState>();

  constructor(options: ExecutorLinksOptions) {
    this.#options = options;
  }

  connect(executor: ExecutorAddress): void {
    this.#links.set(executor.id, { kind: "connecting" });
    this.#dial(executor).catch(() => this.#retryLater(executor));
  }

  disconnect(executorId: string): void {
    const state = this.#links.get(executorId);
    this.#links.delete(executorId);
    if (state?.kind === "waiting") state.cancelTimer();
    // Replies to calls that are still out may come: the connection ends when the other side does, or with these.
    if (state?.kind === "open") closeWhenIdle(state.peer, this.#options.router().clock);
  }

  close(): void {
    for (const id of [...this.#links.keys()]) {
      const state = this.#links.get(id);
      this.#links.delete(id);
      if (state?.kind === "waiting") state.cancelTimer();
      if (state?.kind === "open") state.peer.close();
    }
  }

  async #dial(executor: ExecutorAddress): Promise<void> {
    const transport = await this.#options.dial(executor);
    if (!this.#links.has(executor.id)) {
      transport.destroy(new TuttiError("Cancelled", "no longer wanted"));
      return;
    }
    const router = this.#options.router();
    const peer = new Peer(transport, {
      hello: { name: this.#options.name, token: this.#options.token },
      clock: router.clock,
      onLoss: countLosses(router.counters),
      onLoad: (load) => router.lane(executor.id)?.report(load, router.clock.now()),
      onClose: () => {
        if (!this.#links.has(executor.id)) return;
        router.laneClosed(executor.id);
        this.#retryLater(executor);
      },
    });
    this.#links.set(executor.id, { kind: "open", peer });
    router.laneOpened(executor.id, peer);
  }

  #retryLater(executor: ExecutorAddress): void {
    if (!this.#links.has(executor.id)) return;
    const cancelTimer = this.#options.router().clock.afterInBackground(RECONNECT_MS, () => {
      if (this.#links.has(executor.id)) this.connect(executor);
    });
    this.#links.set(executor.id, { kind: "waiting", cancelTimer });
  }
}

function closeWhenIdle(peer: Peer, clock: Clock): void {
  clock.afterInBackground(RECONNECT_MS, () => {
    if (peer.isClosed) return;
    if (peer.outstandingCalls > 0) closeWhenIdle(peer, clock);
    else peer.close();
  });
}
