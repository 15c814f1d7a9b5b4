// Checks that imports point down: which room may know which, and that the check saw every module.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { root } from "./lib.mjs";

/** Lower rooms first. A room may import those of lower levels, and itself; siblings do not know each other. */
const LEVELS = [
  ["errors"],
  ["policy", "clock"],
  ["config", "wire", "observe", "load"],
  ["api"],
  ["router", "onnx", "features"],
  ["executor", "ingress", "admin"],
  ["controller"],
  ["runtime", "config-file"],
  ["cli", "testing", "index.ts"],
];

/** Packages that only these rooms may import. */
const OWNED_PACKAGES = new Map([
  ["onnxruntime-node", ["onnx"]],
  ["@aws-sdk/client-dynamodb", ["features"]],
  ["fastify", ["ingress", "admin"]],
  ["msgpackr", ["wire"]],
  ["commander", ["cli"]],
  ["prom-client", ["admin"]],
  ["zod", ["config", "config-file", "admin"]],
  ["yaml", ["config-file"]],
  ["hdr-histogram-js", ["load"]],
]);

/** Rooms without effects: no clock, no timer, no I/O. */
const PURE = new Set(["policy", "errors"]);

const levelOf = new Map(LEVELS.flatMap((rooms, level) => rooms.map((room) => [room, level])));
const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "src"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((file) => file.endsWith(".ts") && !/\.(test|test-d|conformance)\.ts$/.test(file));
const problems = [];
const importsOf = new Map();

for (const file of files) {
  const room = file.split("/")[1];
  if (!levelOf.has(room))
    problems.push(`${file}: ${room} is a room that scripts/check-imports.mjs does not know`);
  const source = readFileSync(path.join(root, file), "utf8");
  const targets = [];
  for (const { fileName } of ts.preProcessFile(source, true, true).importedFiles) {
    if (fileName.startsWith(".")) targets.push(checkRelative(file, room, fileName));
    else checkPackage(file, room, fileName);
  }
  importsOf.set(file, targets);
  if (room !== "config" && /\bprocess\.env\[|\bprocess\.env\./.test(source)) {
    problems.push(`${file}: only src/config reads the environment`);
  }
}

function checkRelative(file, room, fileName) {
  const target = path.posix.join(path.posix.dirname(file), fileName);
  const targetRoom = target.split("/")[1];
  if (!files.includes(target)) problems.push(`${file}: imports ${fileName}, which is not a module of src`);
  else if (targetRoom !== room && !(levelOf.get(targetRoom) < levelOf.get(room))) {
    problems.push(`${file}: ${room} may not import ${targetRoom}`);
  }
  return target;
}

function checkPackage(file, room, name) {
  const owners = OWNED_PACKAGES.get(name);
  if (owners !== undefined && !owners.includes(room))
    problems.push(`${file}: only src/${owners.join(" and src/")} may import ${name}`);
  if (PURE.has(room))
    problems.push(`${file}: ${room} is pure and imports nothing with effects, found ${name}`);
}

/** Type-only imports count too: a cycle of types is as hard to read as one of values. */
function findCycle() {
  const state = new Map();
  const visit = (file, trail) => {
    if (state.get(file) === "done") return undefined;
    if (state.get(file) === "open") return [...trail.slice(trail.indexOf(file)), file];
    state.set(file, "open");
    for (const target of importsOf.get(file) ?? []) {
      const cycle = visit(target, [...trail, file]);
      if (cycle !== undefined) return cycle;
    }
    state.set(file, "done");
    return undefined;
  };
  for (const file of files) {
    const cycle = visit(file, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

const cycle = findCycle();
if (cycle !== undefined) problems.push(`a cycle: ${cycle.join(" → ")}`);
const edges = [...importsOf.values()].reduce((sum, targets) => sum + targets.length, 0);
if (files.length < 100 || edges < files.length) {
  problems.push(`saw only ${files.length} modules with ${edges} imports: the check itself is broken`);
}
for (const problem of problems) console.error(problem);
console.log(`imports: ${files.length} modules, ${edges} imports, ${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
