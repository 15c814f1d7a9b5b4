import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CODE_DEFAULTS, resolveDeploymentOptions } from "../config/deployment-options.ts";
import { resolveNodeOptions } from "../config/node-options.ts";
import { readDefinitions } from "../config/read-definitions.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { resolveIngressOptions } from "../ingress/ingress-options.ts";
import { DEFAULT_TRAFFIC, OVERRIDE_EFFECTS } from "../policy/desired-state.ts";
import { parseConfigFile, readConfigFile } from "./config-file.ts";
import { configJsonSchema, settingsSchema } from "./config-schema.ts";

const FILE = "/srv/tutti.yaml";
const parse = (text: string) => parseConfigFile(text, FILE);

const refusal = (text: string): string[] => {
  try {
    parse(text);
  } catch (thrown) {
    if (thrown instanceof TuttiError && thrown.code === "InvalidOptions") return thrown.message.split("\n");
    throw thrown;
  }
  throw new Error("nothing was refused");
};

const WHOLE = `
# yaml-language-server: $schema=./node_modules/tutti/schema/tutti.schema.json
http: { port: 9000, admission: { maxQueueMs: 20 } }
admin: { tokenFile: secrets/token }
node: { lanes: 4 }
stateDir: /var/lib/tutti
applications:
  - name: racer
    module: /opt/racer/app.ts
  - name: offers
    module: ./offers/app.ts
    args: { game: tower, limits: [1, 2.5, null] }
    route: /offers/
    version: v7
    traffic:
      steps:
        - { weight: 0.05, durationMs: 60000 }
        - { weight: 0.5, durationMs: 60000 }
      gates: { maxErrorFraction: 0.02, maxP95Factor: 1.5 }
    deployments:
      "m*": { replicas: { min: 1, max: 6 }, maxQueueMs: 50 }
      Supervisor: { replicas: 2, userConfig: { threshold: 0.5 }, idempotent: [offer] }
`;

describe("a config file", () => {
  it("is settings of the node and complete definitions, sorted, with paths from its own directory", () => {
    expect(parse(WHOLE)).toEqual({
      path: FILE,
      settings: {
        http: { port: 9000, admission: { maxQueueMs: 20 } },
        admin: { tokenFile: "/srv/secrets/token" },
        node: { lanes: 4 },
        stateDir: "/var/lib/tutti",
      },
      applications: [
        {
          name: "offers",
          module: "/srv/offers/app.ts",
          args: { game: "tower", limits: [1, 2.5, null] },
          route: "/offers",
          version: "v7",
          traffic: {
            steps: [
              { weight: 0.05, durationMs: 60_000 },
              { weight: 0.5, durationMs: 60_000 },
            ],
            gates: { maxErrorFraction: 0.02, minRequests: 20, maxP95Factor: 1.5 },
          },
          deployments: {
            "m*": { replicas: { min: 1, max: 6 }, maxQueueMs: 50 },
            Supervisor: { replicas: 2, userConfig: { threshold: 0.5 }, idempotent: ["offer"] },
          },
        },
        { name: "racer", module: "/opt/racer/app.ts", args: {}, traffic: DEFAULT_TRAFFIC, deployments: {} },
      ],
    });
  });

  it("may say nothing at all, which is not the same as wanting no applications", () => {
    expect(parse("# nothing yet\n").applications).toBeUndefined();
    expect(parse("http: {}\n").applications).toBeUndefined();
    expect(parse("applications: []\n").applications).toEqual([]);
  });

  it("is told everything that is wrong with it at once, with lines, in their order", () => {
    const text = `http:
  port: 99999
  hots: 1
nodes: {}
applications:
  - name: "two words"
    module: a.ts
  - module: b.ts
    version: 1.10
    deployments:
      m1: { replicas: { min: 1, max: many, mox: 2 }, maxOngoingRequests: 0 }
      "bad name": {}
  - name: fine
    module: c.ts
    traffic: { steps: [{ weight: 0.5, durationMs: 1 }, { weight: 0.5, durationMs: 1 }], gates: { maxP95Ms: 5, maxP95Factor: 2 } }
    deployments: { m2: { replicas: { min: 3, max: 2 } }, m3: { replicas: { min: 1, max: 2, initial: 3 } } }
  - name: fine
    module: 7
`;
    const lines = refusal(text).map((line) => line.replace(/^\S*tutti\.yaml:/, ""));
    expect(lines).toEqual([
      "2: http.port: expected a whole number from 0 to 65535, found 99999",
      expect.stringMatching(/^3: http\.hots: expected one of host, port, .*, found an unknown key$/),
      "4: nodes: expected one of http, admin, node, stateDir, modulesDir, applications, found an unknown key",
      '6: applications[0].name: expected 1 to 64 letters, digits, . _ or -, found "two words"',
      "8: applications[1].name: expected 1 to 64 letters, digits, . _ or -, found nothing",
      '9: applications[1].version: expected 1 to 64 letters, digits, . _ + or -, in quotes if it looks like a number: "1.10", found 1.1',
      '11: applications[1].deployments.m1.replicas.max: expected a whole number from 1 to 4096, found "many"',
      "11: applications[1].deployments.m1.replicas.mox: expected one of min, max, initial, found an unknown key",
      "11: applications[1].deployments.m1.maxOngoingRequests: expected a whole number from 1 to 1000000, found 0",
      `12: applications[1].deployments["bad name"]: expected a deployment's name, or a pattern with *, found "bad name"`,
      "15: applications[2].traffic.steps[1].weight: expected more than the 0.5 of the step before, found 0.5",
      "15: applications[2].traffic.gates.maxP95Factor: expected nothing beside maxP95Ms, found 2",
      "16: applications[2].deployments.m2.replicas.min: expected at most max, 2, found 3",
      "16: applications[2].deployments.m3.replicas.initial: expected from 1 to 2, found 3",
      "17: applications[3].name: expected a name of its own, found that of the application at 2",
      "18: applications[3].module: expected the path of a module, found 7",
    ]);
  });

  it.each([
    [
      "just a text",
      'the whole: expected an object with http, admin, node, stateDir, modulesDir, applications, found "just a text"',
    ],
    ["- a", "found a list of 1"],
    ["applications: {}", "applications: expected a list of applications, found an object"],
    ["applications: [null]", "applications[0]: expected an object with name, module"],
    [
      "applications: [{ name: a, module: a.ts, args: { x: .inf } }]",
      "args.x: expected a finite number, found Infinity",
    ],
    [
      "applications: [{ name: a, module: a.ts, args: { x: 12345678901234567890 } }]",
      "args.x: expected a number that is exact",
    ],
    [
      "applications: [{ name: a, module: a.ts, args: { __proto__: {} } }]",
      "args.__proto__: expected another key",
    ],
    [`a: ${"[".repeat(40)}${"]".repeat(40)}`, "expected at most 32 levels, found more"],
    [
      "applications: [{ name: a, module: a.ts, route: /x }, { name: b, module: b.ts, route: /x/ }]",
      "applications[1].route: expected a route of its own, found that of the application at 0",
    ],
    ["applications: [{ name: a, module: a.ts, route: x }]", "route: expected a path such as /offers"],
    [
      "applications: [{ name: a, module: a.ts, traffic: { steps: [{ weight: 0, durationMs: 1 }] } }]",
      "weight: expected a number above 0, at most 1, found 0",
    ],
    [
      "applications: [{ name: a, module: a.ts, mirror: {} }]",
      "applications[0].mirror: expected one of name, module",
    ],
    ["a: 1\na: 2", "Map keys must be unique"],
    [
      "applications: [{ name: a, module: a.ts, deployments: { x: { healthCheck: { periodMs: 1 } } } }]",
      "from 10 to 2147483647, found 1",
    ],
  ])("%j is refused", (text, expected) => {
    expect(refusal(text).join("\n")).toContain(expected);
  });

  it("never throws anything but a refusal, whatever is in it", () => {
    const yaml = fc.string({ unit: fc.constantFrom(..."ab:-[]{}&*!|>'\"#%@ \n?,0.~"), maxLength: 80 });
    fc.assert(
      fc.property(yaml, (text) => {
        try {
          parse(text);
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: "InvalidOptions" });
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("is refused when it is not there, or is no such file", async () => {
    await expect(readConfigFile("/no/such/tutti.yaml")).rejects.toMatchObject({
      code: "InvalidOptions",
      message: expect.stringContaining("/no/such/tutti.yaml cannot be read: ENOENT"),
    });
    await expect(readConfigFile("/")).rejects.toMatchObject({ code: "InvalidOptions" });
  });
});

const anyNumber = fc.oneof(
  fc.integer({ min: -2, max: 70 }),
  fc.integer({ min: 200, max: 3_000_000_000 }),
  fc.double({ min: -1, max: 100_000, noNaN: true }),
);
const accepts = (check: () => unknown): boolean => {
  try {
    check();
    return true;
  } catch {
    return false;
  }
};

/** What the file takes is what the node takes: else a file is refused for nothing, or a node does not start with it. */
describe("the schema of the file agrees with the node about", () => {
  const { http, node } = settingsSchema.shape;
  const numbersOf = (schema: { unwrap(): { shape: object } }): string[] =>
    Object.keys(schema.unwrap().shape).filter((name) => !["host", "accessLog", "admission"].includes(name));

  it.each([
    ["http", http, resolveIngressOptions, numbersOf(http)],
    ["node", node, resolveNodeOptions, numbersOf(node)],
  ] as const)("%s", (_, schema, resolve, names) => {
    expect(names.length).toBeGreaterThan(5);
    fc.assert(
      fc.property(fc.constantFrom(...names), anyNumber, (name, value) => {
        expect(schema.safeParse({ [name]: value }).success, `${name}: ${value}`).toBe(
          accepts(() => resolve({ [name]: value })),
        );
      }),
      { numRuns: 1000 },
    );
  });

  it("http.admission", () => {
    const admission = http.unwrap().shape.admission;
    const names = Object.keys(admission.unwrap().shape).filter((name) => name !== "enabled");
    expect(names.length).toBeGreaterThan(4);
    fc.assert(
      fc.property(fc.constantFrom(...names), anyNumber, (name, value) => {
        expect(admission.safeParse({ [name]: value }).success, `${name}: ${value}`).toBe(
          accepts(() => resolveIngressOptions({ admission: { [name]: value } })),
        );
      }),
      { numRuns: 1000 },
    );
  });

  it("deployments, but for how many replicas this machine can have", () => {
    const value = fc.oneof(
      anyNumber,
      fc.boolean(),
      fc.string(),
      fc.array(fc.string(), { maxLength: 2 }),
      fc.record({ memoryMb: anyNumber, periodMs: anyNumber }, { requiredKeys: [] }),
    );
    const names = Object.keys(OVERRIDE_EFFECTS).filter((name) => name !== "replicas");
    fc.assert(
      fc.property(fc.constantFrom(...names), value, (name, value) => {
        const written = [{ name: "a", module: "a.ts", deployments: { x: { [name]: value } } }];
        const { faults } = readDefinitions(written, "/", []);
        expect(faults.length === 0, `${name}: ${JSON.stringify(value)}`).toBe(
          accepts(() => resolveDeploymentOptions("x", { [name]: value }, CODE_DEFAULTS)),
        );
      }),
      { numRuns: 2000 },
    );
  });
});

describe("the JSON Schema that is shipped", () => {
  /** As editors and programs find it: by the package's name. */
  const file = createRequire(import.meta.url).resolve("tutti/tutti.schema.json");
  const shipped = JSON.parse(readFileSync(file, "utf8"));

  it("is the one that files are read by (npm run schema writes it)", () => {
    expect(shipped).toEqual(configJsonSchema());
  });

  it("takes what the reader takes, and knows the same keys", () => {
    const validate = new Ajv2020({ allErrors: true }).compile(shipped);
    const { settings, applications } = parse(WHOLE);
    expect(validate({ ...settings, applications }), JSON.stringify(validate.errors)).toBe(true);
    expect(validate({ nodes: {} })).toBe(false);
    expect(
      validate({ applications: [{ name: "a", module: "a.ts", deployments: { x: { replica: 1 } } }] }),
    ).toBe(false);
    expect(validate({ applications: [{ name: "a" }] })).toBe(false);
  });
});
