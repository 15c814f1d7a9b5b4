// `npm run schema`: writes the JSON Schema of tutti.yaml that the package ships; a test tells when that is due.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { build, install, root, say } from "./lib.mjs";

await install();
await build();
const { configJsonSchema } = await import(path.join(root, "dist/config-file/config-schema.js"));
const file = path.join(root, "schema", "tutti.schema.json");
mkdirSync(path.dirname(file), { recursive: true });
writeFileSync(file, `${JSON.stringify(configJsonSchema(), undefined, 2)}\n`);
say(`wrote ${path.relative(root, file)}`);
