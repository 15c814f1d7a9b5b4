/** Started by a test: puts rows into a feature file again and again, and reports the number of each round put. */
import { EmbeddedStore } from "../../src/features/embedded-store.ts";

const [, , path = "", count = "0"] = process.argv;
const store = await EmbeddedStore.open({ path });
// Larger than any number an earlier writer has used, and exact in float32.
const start = (await store.get(["player-0"], { deadlineMs: Number.POSITIVE_INFINITY }))[0]?.vector[0] ?? 0;
process.on("disconnect", () => process.exit());
for (let round = start + 1; ; round += 1) {
  const vector = new Float32Array(64).fill(round);
  await store.put(Array.from({ length: Number(count) }, (_, index) => ({ key: `player-${index}`, vector })));
  process.send?.(round);
}
