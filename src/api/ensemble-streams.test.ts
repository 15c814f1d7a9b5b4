import { expect, it } from "vitest";
import { FakeCallPort } from "./call-port.fake.ts";
import { mean } from "./combiners.ts";
import { ensemble } from "./ensemble.ts";
import { createHandle } from "./handle-proxy.ts";

class Member {
  async score(_x: number): Promise<number> {
    return 1;
  }
  async *tell(_x: number): AsyncGenerator<number> {}
}

it("an ensemble refuses a method that is a stream, naming the member, and calls the others as ever", async () => {
  const port = new FakeCallPort(() => ({ value: 1 }));
  const streams = new Set(["tell"]);
  const members = ["a", "b"].map((deployment) =>
    createHandle<Member>({ deployment, port, options: {}, streams }),
  );
  const all = ensemble(members, { combine: mean });
  // The type of it says that it is none; plain JavaScript has only this.
  const tell = all.tell as unknown as (x: number) => unknown;
  expect(() => tell(1)).toThrow("ensemble: a.tell() is a stream, and streams are not combined");
  expect(port.calls).toHaveLength(0);
  expect((await all.score(1)).value).toBe(1);
});
