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
 * @throws TuttiError `ModuleLoadFailed`, or what the module's own calls into Tutti threw, naming the file.
 */
export async function loadApplication(modulePath: string): Promise<Application> {
  setApplicationDirectory(path.dirname(modulePath));
  let module: { readonly default?: unknown };
  try {
    module = await import(pathToFileURL(modulePath).href);
  } catch (thrown) {
    throw explainImportFailure(modulePath, thrown);
  }
  if (isApplication(module.default)) return module.default;
  const looksRight = (module.default as { kind?: unknown } | undefined)?.kind === "tutti-application";
  const why = looksRight
    ? "its application comes from another copy of tutti; run the tutti that is installed beside it (npx tutti)"
    : "it must end with: export default application({ … })";
  throw new TuttiError("ModuleLoadFailed", `${modulePath}: ${why}`, { started: "no" });
}
