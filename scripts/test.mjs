// `npm test`: sets up what is missing, then runs all tests. Arguments go to vitest: `npm test -- src/wire`.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { build, install, node, root, say } from "./lib.mjs";

await install();
await build();
const scratch = mkdtempSync(path.join(tmpdir(), "tutti-test-"));
const resultFile = path.join(scratch, "results.json");
const code = await vitest([
  "run",
  "--reporter=default",
  "--reporter=json",
  `--outputFile.json=${resultFile}`,
]);
const { passed, failed, skipped } = readCounts();
rmSync(scratch, { recursive: true, force: true });
if (skipped > 0) say(`${skipped} TESTS WERE SKIPPED: look above for what they need`);
// In CI what was not run has not passed.
const failures = failed + (process.env.CI ? skipped : 0) + (code !== 0 && failed === 0 ? 1 : 0);
console.log(`${passed} passed, ${failures} failed`);
process.exit(failures === 0 ? 0 : 1);

function vitest(args) {
  return new Promise((resolve) => {
    const child = spawn(node, ["node_modules/vitest/vitest.mjs", ...args, ...process.argv.slice(2)], {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...process.env, PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH}` },
    });
    child.on("exit", (status) => resolve(status ?? 1));
  });
}

function readCounts() {
  try {
    const results = JSON.parse(readFileSync(resultFile, "utf8"));
    return {
      passed: results.numPassedTests,
      failed: results.numFailedTests + results.numFailedTestSuites * (results.numFailedTests === 0 ? 1 : 0),
      skipped: results.numPendingTests + results.numTodoTests,
    };
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}
