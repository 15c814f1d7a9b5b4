// `npm run check`: everything that is known without running the program.
import { install, node, run, say } from "./lib.mjs";

await install();
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
