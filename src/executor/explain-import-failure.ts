import { TuttiError } from "../errors/tutti-error.ts";

interface Explanation {
  readonly matches: (text: string, code: string) => boolean;
  readonly advice: string;
}

/** What type stripping cannot run, and what to write instead. The first that matches speaks. */
const EXPLANATIONS: readonly Explanation[] = [
  {
    matches: (text) => /enum/.test(text) && /not supported in strip-only mode/i.test(text),
    advice: "enums need a compiler; write a union of literals, or const X = { … } as const",
  },
  {
    matches: (text) => /parameter propert/i.test(text),
    advice: "parameter properties need a compiler; declare the field and assign it in the constructor",
  },
  {
    matches: (text) =>
      /namespace|module keyword/i.test(text) &&
      /not supported in strip-only mode|ERR_UNSUPPORTED/i.test(text),
    advice: "namespaces need a compiler; use a module",
  },
  {
    matches: (text) => /import (equals|=)|export =|export assignment/i.test(text),
    advice: "import = and export = need a compiler; use import … from and export default",
  },
  {
    matches: (text, code) => code === "ERR_INVALID_TYPESCRIPT_SYNTAX" || /decorator/i.test(text),
    advice: "the file is not TypeScript that Node can strip; decorators and JSX need a compiler",
  },
  {
    matches: (text, code) => code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX" || /strip-only/i.test(text),
    advice:
      "only types that can be erased are allowed; set erasableSyntaxOnly in tsconfig.json to see them in the editor",
  },
  {
    matches: (text) => /does not provide an export named/.test(text),
    advice: "if that name is a type, import it as one: import type { … } or import { type … }",
  },
  {
    matches: (text, code) => code === "ERR_MODULE_NOT_FOUND" && /Cannot find module '[^']*\.js'/.test(text),
    advice: "Node imports the file that is named: write './x.ts' for a TypeScript file, not './x.js'",
  },
  {
    matches: (_, code) => code === "ERR_IMPORT_ATTRIBUTE_MISSING",
    advice: "JSON is imported with an attribute: import data from './data.json' with { type: \"json\" }",
  },
  {
    matches: (_, code) => code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND",
    advice: "check the path (with its extension), or install the package",
  },
  {
    matches: (text) => /(require|module|exports|__dirname|__filename) is not defined/.test(text),
    advice: "the file is an ES module: use import and export, and import.meta.dirname for __dirname",
  },
  {
    matches: (text) => /Invalid or unexpected token/.test(text),
    advice: "if there is a decorator, write a plain call instead: Node does not run decorators",
  },
];

/** An import that failed, as one message that names the file and says what to write instead. */
export function explainImportFailure(modulePath: string, thrown: unknown): TuttiError {
  if (thrown instanceof TuttiError) {
    return new TuttiError(thrown.code, `${modulePath}: ${thrown.message}`, { cause: thrown, started: "no" });
  }
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  const where = placeOf(thrown, modulePath);
  const advice = EXPLANATIONS.find(({ matches }) => matches(text, code))?.advice;
  const message = `${where} cannot be imported: ${firstLine(text)}${advice === undefined ? "" : `; ${advice}`}`;
  return new TuttiError("ModuleLoadFailed", message, { cause: thrown, started: "no" });
}

function firstLine(text: string): string {
  return text.trim().split("\n", 1)[0] ?? "";
}

/** `file:line` where the stack tells it, which may be a file that the module imports. */
function placeOf(thrown: unknown, modulePath: string): string {
  const stack = thrown instanceof Error ? (thrown.stack ?? "") : "";
  const head =
    /^(?:file:\/\/)?(\/[^\n:]+):(\d+)\n/.exec(stack) ?? /at .*?file:\/\/(\/[^\s:)]+):(\d+)/.exec(stack);
  // Tutti's own are there where Node's loader asks them: they are not at fault.
  if (head?.[1] === undefined || head[1].startsWith(`${import.meta.dirname}/`)) return modulePath;
  return `${head[1]}:${head[2]}`;
}
