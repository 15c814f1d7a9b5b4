import { describe, expect, it } from "vitest";
import { bindingOf, type ClassBinding } from "../api/binding.ts";
import { FakeCallPort } from "../api/call-port.fake.ts";
import { deployment } from "../api/deployment.ts";
import type { Handle } from "../api/handle.ts";
import { buildInstance } from "./build-instance.ts";

class Features {
  async get(id: string) {
    return id;
  }
}

class Offers {
  readonly parts: { readonly features: Handle<Features>; readonly limit: number };
  readonly list: readonly Handle<Features>[];
  constructor(parts: { features: Handle<Features>; limit: number }, list: Handle<Features>[]) {
    this.parts = parts;
    this.list = list;
  }
}

const port = new FakeCallPort(({ deployment: name, args }) => ({ value: `${name}(${String(args[0])})` }));
const build = <T>(bound: unknown) =>
  buildInstance(
    bindingOf(bound) as ClassBinding,
    (bindingOf(bound) as ClassBinding).options.userConfig,
    port,
    "v7",
  ) as Promise<T>;

describe("an instance of a bound class", () => {
  it("gets live handles in place of bound deployments, wherever they are among its arguments", async () => {
    const features = deployment(Features).bind();
    const second = deployment(Features, { name: "Second" }).bind();
    const offers = await build<Offers>(deployment(Offers).bind({ features, limit: 3 }, [features, second]));
    expect(offers).toBeInstanceOf(Offers);
    expect(offers.parts.limit).toBe(3);
    expect(await offers.parts.features.get("a")).toBe("Features(a)");
    expect(await offers.list[1]!.get("b")).toBe("Second(b)");
  });

  it("is made by static create where there is one, which may be asynchronous", async () => {
    class Created {
      readonly how: string;
      constructor(how: string) {
        this.how = how;
      }
      static async create(url: string) {
        return new Created(`created with ${url}`);
      }
    }
    expect((await build<Created>(deployment(Created).bind("url"))).how).toBe("created with url");
  });

  it("has its userConfig before it is ready", async () => {
    class Tuned {
      seen: unknown[] = [];
      async reconfigure(config: unknown) {
        await Promise.resolve();
        this.seen.push(config);
      }
    }
    expect((await build<Tuned>(deployment(Tuned, { userConfig: { a: 1 } }).bind())).seen).toEqual([{ a: 1 }]);
    expect((await build<Tuned>(deployment(Tuned, { name: "Plain" }).bind())).seen).toEqual([]);
  });

  it("is refused a userConfig that it cannot take", async () => {
    await expect(build(deployment(Features, { userConfig: 1 }).bind())).rejects.toMatchObject({
      code: "StartFailed",
      message: "Features could not be built: it has a userConfig, but no method reconfigure(userConfig)",
    });
  });

  it.each([
    [
      "its constructor",
      class Broken {
        constructor() {
          throw new Error("no such table");
        }
      },
    ],
    [
      "create",
      class Broken {
        readonly is = "never built";
        static create(): Broken {
          throw new Error("no such table");
        }
      },
    ],
    [
      "create, later",
      class Broken {
        readonly is = "never built";
        static async create(): Promise<Broken> {
          throw new Error("no such table");
        }
      },
    ],
    [
      "reconfigure",
      class Broken {
        async reconfigure() {
          throw new Error("no such table");
        }
      },
    ],
  ])("fails by its name with what %s threw", async (_, broken) => {
    await expect(build(deployment(broken, { userConfig: 1 }).bind())).rejects.toMatchObject({
      code: "StartFailed",
      started: "no",
      message: "Broken could not be built: no such table",
    });
  });
});
