import { type Dirent, readdirSync, realpathSync, statSync } from "node:fs";
import { join, sep } from "node:path";
import { TuttiError } from "../errors/tutti-error.ts";

/**
 * A folder of models in Triton's layout: `<name>/<version>/model.onnx`. Read synchronously, because an application module
 * builds its graph while it is imported.
 *
 * O9. Every path that is returned is a file inside the repository, after links are followed.
 * O10. The list is sorted by name and depends on nothing but the folder's contents: each process that reads the same
 *      folder builds the same graph.
 */
export interface RepositoryEntry {
  readonly name: string;
  readonly version: number;
  /** The model file, absolute, links resolved. */
  readonly path: string;
}

export interface RepositoryOptions {
  /** Which version to take, by model name. Default: the highest number. */
  readonly versions?: Readonly<Record<string, number>>;
}

const MODEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** As Triton has it: a version is a positive number; folders with other names, or leading zeros, are none. */
const VERSION = /^[1-9]\d{0,14}$/;

const MODEL_FILE = "model.onnx";

/**
 * @returns one entry for each model folder; plain files and names that begin with a dot are passed over.
 * @throws TuttiError `ModelNotFound` for a missing folder, version or file; `DuplicateName` for names that differ
 * in case only; `ModelInvalid` for a name that cannot be used or a link that leads out.
 */
export function listModelRepository(dir: string, options: RepositoryOptions = {}): RepositoryEntry[] {
  const root = resolveRoot(dir);
  const entries: RepositoryEntry[] = [];
  const seen = new Map<string, string>();
  for (const name of folders(root)) {
    if (!MODEL_NAME.test(name)) {
      throw new TuttiError(
        "ModelInvalid",
        `model repository ${dir}: the folder ${JSON.stringify(name)} cannot be a model's name; ` +
          "use letters, digits, '.', '_' and '-', at most 128",
      );
    }
    const twin = seen.get(name.toLowerCase());
    if (twin !== undefined) {
      throw new TuttiError(
        "DuplicateName",
        `model repository ${dir}: ${twin} and ${name} differ only in case`,
      );
    }
    seen.set(name.toLowerCase(), name);
    entries.push(readEntry(root, name, options.versions));
  }
  for (const name of Object.keys(options.versions ?? {})) {
    if (!entries.some((entry) => entry.name === name)) {
      throw new TuttiError(
        "ModelNotFound",
        `model repository ${dir}: versions names ${name}, there is no such folder`,
      );
    }
  }
  return entries;
}

function resolveRoot(dir: string): string {
  try {
    const root = realpathSync(dir);
    if (statSync(root).isDirectory()) return root;
  } catch (error) {
    throw new TuttiError("ModelNotFound", `model repository ${dir}: there is no such folder`, {
      cause: error,
    });
  }
  throw new TuttiError("ModelNotFound", `model repository ${dir}: it is a file; expected a folder of models`);
}

function readEntry(root: string, name: string, versions: RepositoryOptions["versions"]): RepositoryEntry {
  const folder = join(root, name);
  inside(root, folder);
  const numbers = folders(folder)
    .filter((version) => VERSION.test(version))
    .map(Number);
  const wanted = versions !== undefined && Object.hasOwn(versions, name) ? versions[name] : undefined;
  const version = wanted ?? Math.max(...numbers);
  if (!numbers.includes(version)) {
    const missing =
      wanted === undefined ? "no folder with a version number, such as 1" : `no version ${wanted}`;
    throw new TuttiError("ModelNotFound", `model ${name}: there is ${missing} in ${folder}`);
  }
  const path = join(folder, String(version), MODEL_FILE);
  const found = inside(root, path);
  if (!statSync(found).isFile()) {
    throw new TuttiError("ModelNotFound", `model ${name}: ${path} is not a file`);
  }
  return { name, version, path: found };
}

/** The real path of something that must exist and lie inside the repository (O9). */
function inside(root: string, path: string): string {
  let real: string;
  try {
    real = realpathSync(path);
  } catch (error) {
    throw new TuttiError("ModelNotFound", `there is no ${path}`, { cause: error });
  }
  if (real.startsWith(root.endsWith(sep) ? root : root + sep)) return real;
  throw new TuttiError(
    "ModelInvalid",
    `${path} is a link that leads out of the model repository, to ${real}`,
  );
}

/** Names of folders, and of links (which are judged when they are followed), sorted by code unit. */
function folders(dir: string): string[] {
  const isFolder = (entry: Dirent): boolean =>
    entry.isDirectory() || (entry.isSymbolicLink() && !isFile(join(dir, entry.name)));
  return readdirSync(dir, { withFileTypes: true })
    .filter((entry) => !entry.name.startsWith(".") && isFolder(entry))
    .map(({ name }) => name)
    .sort();
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
