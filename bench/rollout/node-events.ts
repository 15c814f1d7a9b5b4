/** What a node's event stream tells of versions. */
export interface VersionEvent {
  readonly version: string;
  readonly state: string;
  readonly reason: string;
}

/**
 * Events of versions, in the order in which they happen, from when the stream stands. Whoever asks for a node's status instead has it
 * made and sent again and again, on the thread whose latencies are measured.
 */
export class NodeEvents implements AsyncDisposable {
  readonly #abort = new AbortController();
  readonly #seen: VersionEvent[] = [];
  readonly #waiting = new Set<() => void>();
  #ended: unknown;

  static async open(adminPort: number): Promise<NodeEvents> {
    const events = new NodeEvents();
    const answer = await fetch(`http://127.0.0.1:${adminPort}/api/events`, { signal: events.#abort.signal });
    if (answer.status !== 200 || answer.body === null) throw new Error(`GET /api/events: ${answer.status}`);
    void events.#read(answer.body);
    return events;
  }

  /**
   * Resolves with the first event of that version that is one of these states, also one that has come already.
   *
   * @throws when there is none within that time, or the stream ends.
   */
  async until(version: string, states: readonly string[], withinMs: number): Promise<VersionEvent> {
    const endAtMs = performance.now() + withinMs;
    for (;;) {
      const found = this.#seen.find((event) => event.version === version && states.includes(event.state));
      if (found !== undefined) return found;
      if (this.#ended !== undefined) throw new Error("the node's event stream ended", { cause: this.#ended });
      const leftMs = endAtMs - performance.now();
      if (leftMs <= 0)
        throw new Error(`version ${version} was not ${states.join(" or ")} within ${withinMs} ms`);
      await this.#next(leftMs);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
  }

  #next(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, withinMs);
      this.#waiting.add(done);
    });
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for await (const bytes of body) {
        const messages = (rest + decoder.decode(bytes, { stream: true })).split("\n\n");
        rest = messages.pop() ?? "";
        for (const message of messages) this.#note(message);
        for (const wake of [...this.#waiting]) wake();
      }
      this.#ended = "it was closed";
    } catch (error) {
      this.#ended = error;
    }
    for (const wake of [...this.#waiting]) wake();
  }

  #note(message: string): void {
    const field = (name: string): string | undefined =>
      message
        .split("\n")
        .find((line) => line.startsWith(`${name}:`))
        ?.slice(name.length + 1)
        .trim();
    const data = field("data");
    if (field("event") === "version" && data !== undefined) this.#seen.push(JSON.parse(data));
  }
}
