import { expect, it } from "vitest";
import { describeStatus } from "./describe-status.ts";
import type { NodeStatus } from "./node-status.ts";

const DEPLOYMENTS: NodeStatus["applications"][number]["deployments"] = [
  {
    name: "m1",
    kind: "model",
    state: "down",
    ready: 0,
    wanted: 1,
    replicas: [{ index: 0, executor: "lane 0", state: "starting" }],
  },
  {
    name: "Supervisor",
    kind: "class",
    state: "ready",
    ready: 1,
    wanted: 1,
    replicas: [{ index: 0, executor: "code 0", state: "ready" }],
  },
];

const STATUS: NodeStatus = {
  pid: 7,
  uptimeMs: 200_000,
  ready: false,
  reason: "m1 has 0 of 1 replicas",
  troubles: [],
  revision: 3,
  applications: [
    {
      name: "offers",
      version: "v1",
      route: "/offers",
      deadlineMs: 1500,
      status: "UNHEALTHY",
      reason: "m1 has 0 of 1 replicas",
      deployments: DEPLOYMENTS,
      versions: [{ version: "v1", state: "serving", weight: 1, openRequests: 2, deployments: DEPLOYMENTS }],
    },
  ],
  executors: [
    {
      name: "code 0",
      id: "x1",
      kind: "code",
      state: "ready",
      pid: 8,
      replicas: 1,
      rssMb: 99.6,
      ongoing: 2,
      backlogMs: 0,
      longestRunMs: 0,
      unhealthy: 0,
      calls: {},
    },
    {
      name: "lane 0",
      id: "",
      kind: "model",
      state: "filling",
      pid: undefined,
      replicas: 0,
      rssMb: undefined,
      ongoing: undefined,
      backlogMs: undefined,
      longestRunMs: undefined,
      unhealthy: undefined,
      calls: undefined,
    },
  ],
  calls: { queue: { expired: 3 }, run: { wasted: 1 } },
  batches: [
    {
      application: "offers",
      deployment: "m1",
      method: "predict",
      replica: 0,
      reasons: { full: 1, all: 3 },
      sizes: [{ upToRows: 4, batches: 4 }],
      rows: 10,
      calls: 8,
      waitedMs: 16,
      runMs: 4,
      waits: 0,
      hopeless: 1,
      givenUp: 1,
      queuedCalls: 2,
      capRows: 64,
    },
  ],
  ingress: { requests: 12, status2xx: 12, status5xx: 0 },
};

it("a status is told in columns, with what is not ready and what was counted", () => {
  expect(describeStatus(STATUS)).toBe(`offers v1, not ready: m1 has 0 of 1 replicas; node 7, up 3 min

offers v1 at /offers, UNHEALTHY: m1 has 0 of 1 replicas
  m1          model  down   0 of 1 ready  lane 0 (starting)
  Supervisor  class  ready  1 of 1 ready  code 0

executors
  code 0  x1  ready  pid 8  1 replica  100 MB  2 ongoing
  lane 0      filling

batches
  m1.predict#0  4 batches  2.5 rows each, at most 64  waited 2 ms  2 queued, 2 ended early

calls that ended without an answer that was used
  expired at the queue 3, wasted while running 1

edge
  requests 12, status2xx 12
`);
});

it("a status without an application says so", () => {
  const text = describeStatus({ ...STATUS, applications: [], calls: {}, batches: [], ingress: {} });
  expect(text).toContain("no application, not ready");
  expect(text).not.toContain("batches");
  expect(text).toContain("  none\n");
  expect(text).toContain("  nothing yet\n");
});

it("a place that waits for its next try says why, in one line that no terminal obeys", () => {
  const reason = "m1.onnx: no such file\n\u001b[31m  at line 1";
  const lane = { ...STATUS.executors[1]!, state: "waiting" as const, reason };
  expect(describeStatus({ ...STATUS, executors: [lane] })).toContain(
    "lane 0    waiting  m1.onnx: no such file [31m at line 1\n",
  );
});

it("a status in colours is the same text, with its columns where they were", () => {
  const painted = describeStatus(STATUS, (tone, text) => (tone === "plain" ? text : `<${tone}>${text}</>`));
  expect(painted.replaceAll(/<[a-z/]*>/g, "")).toBe(describeStatus(STATUS));
  expect(painted).toContain("<bad>down</>");
  expect(painted).toContain("<good>ready</>");
  expect(painted).toContain("<heading>executors</>");
});

it("a rollout is told with its versions, their shares, and why one is not there", () => {
  const [offers] = STATUS.applications;
  const versions = [
    { version: "v1", state: "serving" as const, weight: 0.9, openRequests: 2, deployments: DEPLOYMENTS },
    { version: "v2", state: "serving" as const, weight: 0.1, openRequests: 0, deployments: [] },
    {
      version: "v3",
      state: "failed" as const,
      weight: 0,
      openRequests: 0,
      deployments: [],
      error: "Offers could not be built:\n no table",
      attempts: 2,
      retryInMs: 1500,
    },
  ];
  const rollout = { from: "v1", to: "v2", step: 1, steps: 2, weight: 0.1, stepAgeMs: 2000 };
  const status = "DEPLOYING" as const;
  const text = describeStatus({
    ...STATUS,
    applications: [{ ...offers!, status, reason: "", versions, rollout }],
  });
  expect(text).toContain(`offers v1 at /offers, DEPLOYING
  rollout from v1 to v2: 10 %, step 1 of 2, for 2,000 ms
  version v1  serving  90 %  2 open requests
  version v2  serving  10 %
  version v3  failed   0 %     after 2 tries: Offers could not be built: no table; next try in 1,500 ms
`);
});
