/** Invariant D10, as the place where suspects wait upholds it. */
import { describe, expect, it } from "vitest";
import { ManualClock } from "../clock/manual-clock.ts";
import { Quarantine, type Suspect } from "./quarantine.ts";

function quarantine() {
  const clock = new ManualClock();
  const held = new Quarantine(clock);
  const begun: string[] = [];
  const suspect = (name: string): Suspect => ({ begin: (company) => begun.push(`${name}+${company}`) });
  return { clock, held, begun, suspect };
}

describe("calls under suspicion", () => {
  it("begin one at a time, in their order", () => {
    const { held, begun, suspect } = quarantine();
    const [a, b, c] = [suspect("a"), suspect("b"), suspect("c")];
    for (const one of [a, b, c]) held.add(one);
    expect(begun).toEqual(["a+0"]);
    held.remove(a);
    expect(begun).toEqual(["a+0", "b+0"]);
    held.remove(b);
    held.remove(c);
    expect(begun).toEqual(["a+0", "b+0", "c+0"]);
  });

  it("are joined by the next one when they take long, which is said", async () => {
    const { clock, held, begun, suspect } = quarantine();
    const [a, b, c] = [suspect("a"), suspect("b"), suspect("c")];
    for (const one of [a, b, c]) held.add(one);
    await clock.advance(99);
    expect(begun).toEqual(["a+0"]);
    await clock.advance(1);
    expect(begun).toEqual(["a+0", "b+1"]);
    held.remove(a);
    expect(begun).toEqual(["a+0", "b+1"]);
    held.remove(b);
    expect(begun).toEqual(["a+0", "b+1", "c+0"]);
  });

  it("that have ended before their turn are not begun", () => {
    const { held, begun, suspect } = quarantine();
    const [a, b] = [suspect("a"), suspect("b")];
    held.add(a);
    held.add(b);
    held.remove(b);
    held.remove(a);
    expect(begun).toEqual(["a+0"]);
  });

  it("begin at once after a quiet time", async () => {
    const { clock, held, begun, suspect } = quarantine();
    const a = suspect("a");
    held.add(a);
    held.remove(a);
    await clock.advance(1000);
    held.add(suspect("b"));
    expect(begun).toEqual(["a+0", "b+0"]);
  });
});
