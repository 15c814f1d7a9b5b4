import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { definitions } from "../../test/policy/definitions.ts";
import type { Json } from "../policy/desired-state.ts";
import { parseConfigFile } from "./config-file.ts";
import { configText } from "./config-text.ts";

const applicationsOf = (text: string) => parseConfigFile(text, "/srv/tutti.yaml").applications;

describe("a config file that is written", () => {
  it("is read as what was written, whatever that looks like in YAML", () => {
    const tricky = fc.constantFrom(
      "yes",
      "null",
      "~",
      "1.10",
      "- a",
      "a: b",
      "#",
      "'",
      "*a",
      "&a",
      "|\n x",
      " ",
      "\u0007",
    );
    const key = fc.oneof(tricky, fc.string()).filter((text) => text !== "__proto__");
    const { value } = fc.letrec<{ value: Json }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        tricky,
        fc.string(),
        fc.boolean(),
        fc.constant(null),
        fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }).map((one) => one + 0),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(key, tie("value"), { maxKeys: 3 }),
      ),
    }));
    fc.assert(
      fc.property(definitions, fc.dictionary(key, value, { maxKeys: 3 }), (written, args) => {
        const applications = written.map((definition) => ({ ...definition, args: { ...args } }));
        const text = configText({ applications }, ["a remark"]);
        const routes = new Set(applications.map(({ route }) => route));
        // Two of one route are refused, and that is right.
        fc.pre(routes.size === applications.length);
        expect(applicationsOf(text)).toEqual(applications);
      }),
      { numRuns: 300 },
    );
  });
});
