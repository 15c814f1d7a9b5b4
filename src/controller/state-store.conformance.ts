/** What every `StateStore` promises; run on each implementation. */
import { afterEach, describe, expect, it } from "vitest";
import type { StateStore } from "../config/state-store.ts";
import { DEFAULT_TRAFFIC, type DesiredApplication } from "../policy/desired-state.ts";

export const application = (name: string, version = "v1"): DesiredApplication => ({
  name,
  module: `/srv/${name}/app.ts`,
  args: { game: "tower", limits: [1, 2.5, null, { deep: true }] },
  version,
  traffic: DEFAULT_TRAFFIC,
  deployments: { "m*": { replicas: { min: 1, max: 4 }, userConfig: { threshold: 0.5 } } },
  history: [],
});

/** @param open a store that is empty. */
export function describeStateStore(what: string, open: () => Promise<StateStore>): void {
  describe(`${what}, as a state store,`, () => {
    const opened: StateStore[] = [];
    const openOne = async () => {
      const store = await open();
      opened.push(store);
      return store;
    };
    afterEach(async () => {
      for (const store of opened.splice(0)) await store.close();
    });

    it("begins with revision 0 and no applications", async () => {
      expect(await (await openOne()).read()).toEqual({ revision: 0, applications: [] });
    });

    it("gives back what was stored, under the next revision", async () => {
      const store = await openOne();
      const applications = [application("one"), application("two")];
      const stored = { revision: 1, applications };
      expect(await store.compareAndSet(0, applications)).toEqual({ kind: "stored", state: stored });
      expect(await store.read()).toEqual(stored);
      expect(await store.compareAndSet(1, [])).toMatchObject({ kind: "stored", state: { revision: 2 } });
      expect(await store.read()).toEqual({ revision: 2, applications: [] });
    });

    it("stores nothing over a revision that the writer has not read, and says what is there (ST2)", async () => {
      const store = await openOne();
      await store.compareAndSet(0, [application("one")]);
      const there = await store.read();
      for (const stale of [0, 2, -1]) {
        expect(await store.compareAndSet(stale, [])).toEqual({ kind: "conflict", state: there });
      }
      expect(await store.read()).toEqual(there);
    });

    it("lets one of many writers at once succeed (ST2)", async () => {
      const store = await openOne();
      const names = Array.from({ length: 20 }, (_, i) => `app-${i}`);
      const results = await Promise.all(names.map((name) => store.compareAndSet(0, [application(name)])));
      const stored = results.filter(({ kind }) => kind === "stored");
      expect(stored).toHaveLength(1);
      expect(results.every(({ state }) => state.revision === 1)).toBe(true);
      expect(await store.read()).toEqual(stored[0]?.state);
    });

    it("keeps what was given and what it gives apart from what it has", async () => {
      const store = await openOne();
      const given = { ...application("one"), args: { game: "tower" } };
      const result = await store.compareAndSet(0, [given]);
      given.args.game = "racer";
      (result.state.applications[0]?.args as { game: string }).game = "puzzle";
      ((await store.read()).applications[0]?.args as { game: string }).game = "tennis";
      expect((await store.read()).applications[0]?.args).toEqual({ game: "tower" });
    });

    it("tells who watches of a change, when it can be read, and no more when that has ended (ST4)", async () => {
      const store = await openOne();
      const seen: Promise<number>[] = [];
      const end = store.watch(() => void seen.push(store.read().then(({ revision }) => revision)));
      await store.compareAndSet(0, []);
      await store.compareAndSet(0, []);
      await store.compareAndSet(1, []);
      expect(await Promise.all(seen)).toEqual([1, 2]);
      end();
      await store.compareAndSet(2, []);
      expect(seen).toHaveLength(2);
    });

    it("can be closed twice", async () => {
      const store = await openOne();
      await store.close();
      await store.close();
    });
  });
}
