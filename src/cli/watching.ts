import type { ControllerEvent } from "../controller/version-port.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { RunningNode } from "../runtime/node.ts";
import { say } from "./say.ts";
import { WatchFiles } from "./watch-files.ts";

/** Brings what changes on the disk into a running node, and says what became of it. */
export class Watching {
  readonly #files = new WatchFiles(() => void this.#reload());
  #node: RunningNode | undefined;
  #changedAtMs = 0;

  /** From now on, of this node. */
  async begin(node: RunningNode): Promise<void> {
    this.#node = node;
    try {
      const files = await node.files();
      await this.#files.follow(files);
      say(`watching ${files.length} ${files.length === 1 ? "file" : "files"}`);
    } catch (thrown) {
      say(`nothing is watched: ${TuttiError.from(thrown).message}`);
    }
  }

  onEvent(event: ControllerEvent): void {
    if (this.#node === undefined) return;
    if (event.type === "version" && event.state === "start-failed")
      say(`what has changed is not served, what was before is: ${event.reason}`);
    if (event.type === "traffic" && event.shares.length === 1) void this.#served(this.#node);
  }

  async #reload(): Promise<void> {
    this.#changedAtMs = performance.now();
    await this.#node?.reload();
  }

  async #served(node: RunningNode): Promise<void> {
    if (this.#changedAtMs === 0) return;
    say(`the change is served, after ${Math.round(performance.now() - this.#changedAtMs)} ms`);
    this.#changedAtMs = 0;
    // It may import other files than before.
    const files = await node.files().catch(() => []);
    if (files.length > 0) await this.#files.follow(files);
  }
}
