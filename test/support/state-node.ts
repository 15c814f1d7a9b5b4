import type { ApplicationView } from "../../dist/controller/application-view.js";
import { MemoryStateStore } from "../../dist/controller/memory-state-store.js";
import { adoptDefinitions } from "../../dist/policy/adopt-definitions.js";
import { type RunningNode, startNode } from "../../dist/runtime/node.js";
import type { NodeOptions } from "../../src/config/node-options.ts";
import type { ControllerEvent } from "../../src/controller/version-port.ts";
import {
  type ApplicationDefinition,
  type DesiredApplication,
  INSTANT_TRAFFIC,
} from "../../src/policy/desired-state.ts";
import { HttpClient } from "./http-client.ts";
import { waitFor } from "./wait-for.ts";

const log = { debug() {}, info() {}, warn() {}, error() {} };

/** A definition as a file would give it; unless it says otherwise, its traffic moves in one instant. */
export const definition = (
  module: string,
  version: string,
  more: Partial<ApplicationDefinition> = {},
): ApplicationDefinition => ({
  name: "shop",
  module,
  args: {},
  version,
  traffic: INSTANT_TRAFFIC,
  deployments: {},
  ...more,
});

/** A node in this process, with executors in processes of their own, that runs what its store in memory says. */
export class StateNode implements AsyncDisposable {
  readonly store = new MemoryStateStore();
  readonly events: ControllerEvent[] = [];
  /** Like a file that stays when the node ends. */
  served: readonly ApplicationDefinition[] = [];
  #node: RunningNode | undefined;
  #client: HttpClient | undefined;

  static async start(
    node: NodeOptions = {},
    served: readonly ApplicationDefinition[] = [],
  ): Promise<StateNode> {
    const started = new StateNode();
    started.served = served;
    await started.begin(node);
    return started;
  }

  async begin(node: NodeOptions): Promise<void> {
    this.#node = await startNode({
      source: {
        kind: "state",
        store: this.store,
        served: {
          read: async () => this.served,
          write: async (served) => {
            this.served = structuredClone(served);
          },
        },
      },
      http: { port: 0 },
      node: { lanes: 1, codeExecutors: 1, drainTimeoutMs: 5000, ...node },
      log,
      onEvent: (event) => {
        if (!("slot" in event)) this.events.push(event);
      },
      onOutput: () => {},
    });
    this.#client = new HttpClient(this.#node.address.port);
  }

  get client(): HttpClient {
    return this.#client!;
  }

  get node(): RunningNode {
    return this.#node!;
  }

  /** As people do it: the definitions that there are to be. */
  async deploy(...definitions: readonly ApplicationDefinition[]): Promise<void> {
    const { revision, applications } = await this.store.read();
    await this.store.compareAndSet(revision, adoptDefinitions(applications, definitions));
  }

  async desired(name = "shop"): Promise<DesiredApplication | undefined> {
    return (await this.store.read()).applications.find((one) => one.name === name);
  }

  view(name = "shop"): ApplicationView | undefined {
    return this.node.applications().find((one) => one.name === name);
  }

  /** Waits until this version, and no other, is there and serves. */
  async serves(version: string, name = "shop"): Promise<void> {
    await waitFor(
      () => {
        const view = this.view(name);
        return view?.status === "RUNNING" && view.versions.length === 1 && view.version === version;
      },
      { what: `${version} of ${name} to be all there is`, timeoutMs: 30_000 },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client?.[Symbol.dispose]();
    await this.#node?.drain();
    await this.#node?.close();
  }
}
