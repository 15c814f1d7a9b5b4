import { DEFAULT_TRAFFIC, type DesiredApplication } from "../../src/policy/desired-state.ts";

/** What is stored under a revision: each has its own, of some size. */
export const application = (revision: number, paddingChars: number): DesiredApplication => ({
  name: "written",
  module: "/srv/app.ts",
  args: { revision, padding: "x".repeat(paddingChars) },
  version: `v${revision}`,
  traffic: DEFAULT_TRAFFIC,
  deployments: {},
  history: [],
});
