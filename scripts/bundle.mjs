// `node scripts/bundle.mjs`, after tsc: what executors load, in few files. A process's start is mostly finding and linking modules, and a
// version's is two of them; see docs/decisions/0015. What users import in executors must be that same code: the condition
// `tutti-executor` of package.json's exports.
import path from "node:path";
import { rolldown } from "rolldown";
import { root } from "./lib.mjs";

const dist = path.join(root, "dist");
const isPackage = (id) => !id.startsWith(".") && !path.isAbsolute(id);

const bundle = await rolldown({
  input: {
    entry: path.join(dist, "executor/entry.js"),
    index: path.join(dist, "index.js"),
    testing: path.join(dist, "testing/index.js"),
  },
  platform: "node",
  external: isPackage,
  checks: { ineffectiveDynamicImport: false },
});
await bundle.write({
  dir: path.join(dist, "bundle"),
  format: "esm",
  entryFileNames: "[name].js",
  chunkFileNames: "part-[name].js",
  cleanDir: true,
});
await bundle.close();
