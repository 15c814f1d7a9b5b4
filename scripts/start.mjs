// `npm start`: sets up what is missing, then runs the Dynamic Offers example until it is stopped.
import { spawn } from "node:child_process";
import path from "node:path";
import { build, cliFlags, install, node, root, run } from "./lib.mjs";

await install();
await build();
await run(node, ["--disable-warning=ExperimentalWarning", "examples/dynamic-offers/seed-players.ts"]);

const child = spawn(
  node,
  [...cliFlags, "dist/cli/main.js", "run", "examples/dynamic-offers/app.ts", ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH}` },
  },
);
for (const signal of ["SIGINT", "SIGTERM"]) {
  // Ctrl-C reaches the child by itself; a signal to this process alone is handed on.
  process.on(signal, () => {
    if (signal === "SIGTERM") child.kill(signal);
  });
}
child.on("exit", (code, signal) => process.exit(signal === null ? (code ?? 1) : 1));
