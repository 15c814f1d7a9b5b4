import { expect, it } from "vitest";
import { DEFAULT_TRAFFIC, INSTANT_TRAFFIC } from "../../src/policy/desired-state.ts";
import { OpenLoopLoad } from "../support/open-loop-load.ts";
import { definition, StateNode } from "../support/state-node.ts";
import { TempFolder } from "../support/temp-folder.ts";
import { waitFor } from "../support/wait-for.ts";
import { writeShop } from "./shop.ts";

const UPDATES = 50;

it("fifty consecutive updates under steady load fail no request, and each request is one version's (D9)", {
  timeout: 180_000,
}, async () => {
  using folder = TempFolder.withTutti();
  const module = writeShop(folder);
  await using node = await StateNode.start({ spares: 2 });
  await node.deploy(definition(module, "v0"));
  await node.serves("v0");
  const load = new OpenLoopLoad({ ratePerSecond: 40, send: () => node.client.get("/buy") });
  await waitFor(() => load.answered >= 20, { what: "load" });
  for (let i = 1; i <= UPDATES; i++) {
    // Now and then with another model too, and as it is by default: by steps of half a second in all.
    const args = i % 10 < 5 ? {} : { model: "other.onnx" };
    const traffic = i % 5 === 0 ? DEFAULT_TRAFFIC : INSTANT_TRAFFIC;
    await node.deploy(definition(module, `v${i}`, { args, traffic }));
    await node.serves(`v${i}`);
  }
  const results = await load.stop();
  const failed = results.filter((result) => !("answer" in result) || result.answer.status !== 200);
  expect(failed).toEqual([]);
  const answers = results.flatMap((result) => ("answer" in result ? [result.answer.json] : []));
  for (const { version, stock } of answers) expect(stock.version).toBe(version);
  expect(new Set(answers.map(({ version }) => version)).size).toBeGreaterThan(UPDATES / 2);
  // Nothing of what has gone is left: one version's code, one lane, the spares.
  await waitFor(() => node.node.pids().length === 4, { what: "the processes of old versions to be gone" });
  expect((await node.desired())?.history.length).toBeLessThanOrEqual(10);
});
