// `npm run check`: everything that is known without running the program.
import { build, install, node, run, say } from "./lib.mjs";

await install();
// The example and the tests see the package as its users do: through what was built.
await build();
const checks = [
  ["format and lint", ["node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings"]],
  ["types", ["node_modules/typescript/bin/tsc"]],
  ["imports", ["scripts/check-imports.mjs"]],
];
for (const [name, args] of checks) {
  say(`checking ${name} …`);
  try {
    await run(node, args);
  } catch (error) {
    say(`${name}: ${error.message}`);
    process.exit(1);
  }
}
