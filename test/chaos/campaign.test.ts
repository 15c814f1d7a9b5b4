import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { FAULTS } from "../../chaos/plan.ts";
import { type CampaignResult, campaignSchema } from "../../chaos/schema.ts";
import { REPOSITORY } from "../support/temp-folder.ts";

/** About a minute; three times that where other programs have the processor and phases are run anew. */
const CAMPAIGN_MS = 300_000;

/** The campaign is a program: what it prints is what is judged. It ends with 1 when a demand is not met. */
async function runQuickCampaign(): Promise<CampaignResult> {
  const args = ["--disable-warning=ExperimentalWarning", "chaos/main.ts", "--quick", "--json"];
  const options = { cwd: REPOSITORY, timeout: CAMPAIGN_MS, maxBuffer: 2 ** 26 };
  const run = promisify(execFile)(process.execPath, args, options);
  const { stdout, stderr } = await run.catch((failed: { stdout: string; stderr: string }) => failed);
  if (stdout === "") throw new Error(`the campaign did not end: ${stderr}`);
  return campaignSchema.parse(JSON.parse(stdout));
}

let result: CampaignResult;

beforeAll(async () => {
  result = await runQuickCampaign();
  for (const { fault, late, notJudged, foreignCpuFraction } of result.phases) {
    // How long things take is a figure of the machine too: `npm run chaos` judges it, this test does not.
    for (const what of late) console.log(`LATE: ${fault}: ${what}`);
    for (const what of notJudged) {
      const share = Math.round(100 * foreignCpuFraction);
      console.log(`NOT JUDGED: ${fault}: ${what}; other programs had ${share} % of the processor`);
    }
  }
}, CAMPAIGN_MS);

describe("the quick fault campaign", () => {
  test.each(FAULTS.map(({ name, about }) => [name, about]))("meets what is demanded of %s: %s", (name) => {
    const phase = result.phases.find(({ fault }) => fault === name);
    expect(phase?.broken, phase?.examples.join("\n")).toEqual([]);
  });

  test("has no wrong answer, none that is less than it says, and no failed request", () => {
    const sum = (of: "sent" | "wrong" | "unlabelled" | "failed" | "status5xx") =>
      result.phases.reduce((total, phase) => total + phase[of], 0);
    expect(sum("sent")).toBeGreaterThan(1000);
    expect([sum("wrong"), sum("unlabelled"), sum("failed"), sum("status5xx")]).toEqual([0, 0, 0, 0]);
  });

  test("leaves the memory of the system as it was", () => {
    expect(result.broken).toEqual([]);
  });
});
