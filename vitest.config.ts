import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Real processes that measure what they do beside what others do: each has the machine to itself. */
const ALONE = ["test/chaos/**/*.test.ts", "test/offers/executor-deaths.test.ts"];

/** Rooms of pure functions: their tests have nothing to leave behind, and need no process for each file. */
const PURE = ["src/policy/**/*.test.ts", "src/observe/**/*.test.ts"];

/** Files of `test/` take tens of seconds, most others tens of milliseconds: none of the first is to begin last. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ project }: TestSpecification) => project.name === "integration";
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongFirst },
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "src/**/*.test.ts",
            "examples/**/*.test.ts",
            "bench/**/*.test.ts",
            "chaos/**/*.test.ts",
            "scripts/**/*.test.ts",
          ],
          exclude: ["**/.venv/**", "**/node_modules/**", ...PURE],
          testTimeout: 20_000,
        },
      },
      { test: { name: "pure", include: PURE, isolate: false, testTimeout: 20_000 } },
      {
        // Beside each other and beside the unit tests, one for each core: most of their time they wait. None of them
        // may ask of the machine that it be quick.
        test: {
          name: "integration",
          include: ["test/**/*.test.ts"],
          exclude: ALONE,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "alone",
          include: ALONE,
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
