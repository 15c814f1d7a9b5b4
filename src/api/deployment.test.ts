import { describe, expect, it } from "vitest";
import { TuttiError } from "../errors/tutti-error.ts";
import { bindingOf, mapBindings } from "./binding.ts";
import { deployment } from "./deployment.ts";
import { methodNames } from "./method-names.ts";

class Features {
  async get(playerId: string): Promise<string> {
    return playerId;
  }
}

class Offers {
  readonly features: unknown;
  constructor(features: unknown, limit: number) {
    this.features = features;
    this.limit = limit;
  }
  readonly limit: number;
  async offer(): Promise<number> {
    return this.limit;
  }
}

describe("deployment", () => {
  it("takes the class's name, or the one it is given", () => {
    expect(bindingOf(deployment(Features).bind())?.name).toBe("Features");
    expect(bindingOf(deployment(Features, { name: "tower.features-2" }).bind())?.name).toBe(
      "tower.features-2",
    );
  });

  it("asks for a name where the class has none", () => {
    expect(() => deployment(class {})).toThrow(
      /a name has 1 to 128 letters.*got ""; an anonymous class needs the option name/,
    );
  });

  it.each(["", "-x", ".x", "a b", "a/b", "ä", "a".repeat(129), "a\nb"])("refuses the name %j", (name) => {
    expect(() => deployment(Features, { name })).toThrow(expect.objectContaining({ code: "InvalidOptions" }));
  });

  it("refuses what is no class", () => {
    for (const other of [{}, "Features", undefined, () => {}]) {
      expect(() => deployment(other as unknown as typeof Features)).toThrow(
        "deployment: the first argument is a class",
      );
    }
  });

  it("refuses an unknown option by name", () => {
    expect(() => deployment(Features, { replica: 2 } as object)).toThrow(
      "deployment Features: unknown option replica",
    );
  });

  it.each(["with", "then"])("refuses a method named %s, which a handle has for itself", (name) => {
    const own = { [name]: class {} }[name]!;
    Object.defineProperty(own.prototype, name, { value: () => {}, enumerable: false });
    class Inherits extends own {}
    expect(() => deployment(own)).toThrow(`${name} is a reserved method name; rename it`);
    expect(() => deployment(Inherits, { name: "Inherits" })).toThrow(
      `${name} is a reserved method name; rename it`,
    );
  });

  it("lets a class have the lifecycle hooks", () => {
    class Hooks {
      reconfigure() {}
      checkHealth() {}
      async [Symbol.asyncDispose]() {}
      async work() {}
    }
    expect(() => deployment(Hooks)).not.toThrow();
    expect(methodNames(Hooks.prototype)).toEqual(["work"]);
  });

  it("can be bound more than once, to different arguments", () => {
    const offers = deployment(Offers);
    const [first, second] = [offers.bind({}, 1), offers.bind({}, 2)].map((bound) => bindingOf(bound));
    expect(first).toMatchObject({ kind: "class", args: [{}, 1], deployedClass: Offers });
    expect(second).toMatchObject({ kind: "class", args: [{}, 2], deployedClass: Offers });
  });
});

describe("methodNames", () => {
  it("are the methods of the class and those it inherits, nothing else", () => {
    class Base {
      inherited() {}
    }
    class Derived extends Base {
      field = () => {};
      static make() {}
      get computed() {
        return () => {};
      }
      own() {}
      #secret() {}
      callSecret() {
        this.#secret();
      }
      [Symbol.asyncDispose]() {}
    }
    expect(methodNames(Derived.prototype).sort()).toEqual(["callSecret", "inherited", "own"]);
    expect(methodNames(Object.create(null))).toEqual([]);
  });
});

describe("a bound deployment", () => {
  it("rejects calls with NotRunning, not started, before its application runs", async () => {
    const bound = deployment(Features).bind();
    await expect(bound.get("player-00001")).rejects.toMatchObject({
      code: "NotRunning",
      started: "no",
      message: "Features.get() was called, but its application is not running yet",
    });
    await expect(bound.with({ deadlineMs: 5 }).get("x")).rejects.toThrow(TuttiError);
  });

  it("is found among constructor arguments: alone, in lists and in plain objects", () => {
    const features = deployment(Features).bind();
    const when = new Date(0);
    const args = [features, [features, 1], { a: { b: features }, c: null }, when, "text", undefined];
    const seen: string[] = [];
    const mapped = mapBindings(args, ({ name }) => {
      seen.push(name);
      return "handle";
    });
    expect(seen).toEqual(["Features", "Features", "Features"]);
    expect(mapped).toEqual([
      "handle",
      ["handle", 1],
      { a: { b: "handle" }, c: null },
      when,
      "text",
      undefined,
    ]);
    expect((mapped as unknown[])[3]).toBe(when);
    expect(args[0]).toBe(features);
  });
});
