import path from "node:path";
import { pathToFileURL } from "node:url";
import { type Application, isApplication } from "../api/application.ts";
import { setApplicationDirectory } from "../api/base-directory.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { explainImportFailure } from "./explain-import-failure.ts";

/**
 * Imports an application module: once in a process's life, since ES modules cannot be loaded anew.
 *
 * @param modulePath absolute.
 * @param args for a default export that is a function, which then gives the application.
 * @throws TuttiError `ModuleLoadFailed`, or what the module's own calls into Tutti threw, naming the file.
 */
export async function loadApplication(modulePath: string, args: object = {}): Promise<Application> {
  setApplicationDirectory(path.dirname(modulePath));
  let exported: unknown;
  try {
    const module: { readonly default?: unknown } = await import(pathToFileURL(modulePath).href);
    exported = module.default;
    if (typeof exported === "function") exported = await exported(args);
  } catch (thrown) {
    throw explainImportFailure(modulePath, thrown);
  }
  if (isApplication(exported)) return exported;
  const looksRight = (exported as { kind?: unknown } | undefined)?.kind === "tutti-application";
  const why = looksRight
    ? "its application comes from another copy of tutti; run the tutti that is installed beside it (npx tutti)"
    : "it must end with: export default application({ … })";
  throw new TuttiError("ModuleLoadFailed", `${modulePath}: ${why}`, { started: "no" });
}
