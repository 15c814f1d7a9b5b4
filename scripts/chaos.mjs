// `npm run chaos`: sets up what is missing, then runs the fault campaign.
import { spawn } from "node:child_process";
import path from "node:path";
import { build, install, node, root } from "./lib.mjs";

await install();
await build();
const child = spawn(
  node,
  ["--disable-warning=ExperimentalWarning", "chaos/main.ts", ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH}` },
  },
);
// Ctrl-C reaches the child by itself, which then ends what it has started.
process.on("SIGINT", () => {});
child.on("exit", (code) => process.exit(code ?? 1));
