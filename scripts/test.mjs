// `npm test`: sets up what is missing, then runs all tests. Arguments go to vitest: `npm test -- src/wire`.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { build, install, node, root, say } from "./lib.mjs";

const SLOWEST_SHOWN = 12;
/** Hundreds of processes are started that run the same code: it is compiled once, and kept from run to run. */
const CODE_CACHE = path.join(root, "node_modules/.cache/tutti-tests");

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
const { passed, failed, skipped, slowest } = readCounts();
rmSync(scratch, { recursive: true, force: true });
if (slowest.length > 1) say(`the slowest files: ${slowest.join(", ")}`);
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
      env: {
        ...process.env,
        NODE_COMPILE_CACHE: CODE_CACHE,
        PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH}`,
      },
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
      slowest: slowestOf(results.testResults),
    };
  } catch {
    return { passed: 0, failed: 1, skipped: 0, slowest: [] };
  }
}

/** Where the time goes, so that a suite that grows slow is seen to, and where. */
function slowestOf(files) {
  return files
    .map(({ name, startTime, endTime }) => ({ name, seconds: (endTime - startTime) / 1000 }))
    .sort((a, b) => b.seconds - a.seconds)
    .slice(0, SLOWEST_SHOWN)
    .map(({ name, seconds }) => `${path.relative(root, name)} ${seconds.toFixed(1)} s`);
}
