import { context, type FeatureStore, openFeatureStore, Tensor } from "tutti";
import { settings } from "../../examples/dynamic-offers/settings.ts";
import { faultSwitch } from "./switch.ts";

/** A DynamoDB to read from; without one, the embedded store. */
export const DYNAMODB_VARIABLE = "TUTTI_CHAOS_DYNAMODB";
export const TABLE = "players";
/** Asking for one whose id begins so ends the process that asks. */
export const POISON = "poison-";
/** How far the balloon is blown up, in MB of resident memory; set by the campaign. */
export const BALLOON_VARIABLE = "TUTTI_CHAOS_BALLOON_MB";

const BALLOON_STEP_BYTES = 16 * 2 ** 20;
const BALLOON_STEP_MS = 20;

/** The example's look-up, with faults of the process that it is in, and a store that is elsewhere if so told. */
export class FaultyFeatures {
  readonly #store: FeatureStore;
  readonly #balloon: Buffer[] = [];

  constructor(store: FeatureStore) {
    this.#store = store;
    faultSwitch.onStrike("endless-loop", () => {
      for (;;);
    });
    faultSwitch.onStrike("balloon", () => this.#blowUp());
  }

  static async create(): Promise<FaultyFeatures> {
    const endpoint = process.env[DYNAMODB_VARIABLE];
    const { store } = await openFeatureStore(
      endpoint === undefined
        ? { embedded: { path: settings.playersFile, readOnly: true } }
        : {
            dynamodb: {
              table: TABLE,
              endpoint,
              region: "us-east-1",
              // What any signer accepts; the service behind the proxy checks no signatures.
              credentials: { accessKeyId: "local", secretAccessKey: "local" },
            },
          },
    );
    return new FaultyFeatures(store);
  }

  async get(playerId: string): Promise<Tensor | undefined> {
    // As the kernel ends a process that asks for too much memory: at once, and without a word.
    if (playerId.startsWith(POISON)) process.kill(process.pid, "SIGKILL");
    const [row] = await this.#store.get([playerId], { deadlineMs: context().deadlineAtMs });
    return row === undefined ? undefined : new Tensor("float32", row.vector, [1, row.vector.length]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store.close();
  }

  #blowUp(): void {
    const goal = Number(process.env[BALLOON_VARIABLE]) * 2 ** 20;
    const timer = setInterval(() => {
      if (process.memoryUsage.rss() >= goal) return clearInterval(timer);
      this.#balloon.push(Buffer.alloc(BALLOON_STEP_BYTES, 1));
    }, BALLOON_STEP_MS);
  }
}
