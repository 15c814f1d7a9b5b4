import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import { modelFiles } from "../reference/model-files.ts";
import { CACHE, EXAMPLE, MODEL_DIRECTORY } from "../reference/paths.ts";

/** How something comes to be on the disk: put in its place whole, written over, or, of a model, as the folder of its next version. */
export type Way = "renamed" | "in-place" | "version-folder";
/** Which of two models is in the place of the first one. */
export type ModelContent = "own" | "another";

const FOLDER = `${CACHE}watch/`;
const MODELS = `${FOLDER}models/tower/v1`;
/** Beside them: what the right answers are computed from while another model is in the place of the first one. */
const OTHER_MODELS = `${FOLDER}other-models`;
/** Of the module that is changed: what every answer shows of it. */
const SHOWN = "version: settings.version,";
const LEFT_OUT = /\/(?:legacy|training|models)(?:\/|$)|\.test\.ts$/;

/** A copy of Dynamic Offers with its tree models, and what is changed in it while it runs. */
export class AppCopy {
  readonly app = `${FOLDER}app.ts`;
  readonly modelsDir = MODELS;
  readonly otherModelsDir = OTHER_MODELS;
  readonly #module = `${FOLDER}supervisor.ts`;
  readonly #text: string;
  readonly #contents: Readonly<Record<ModelContent, Buffer>>;
  readonly #modelFolder: string;
  #modelVersion = 1;

  private constructor(text: string, first: string, contents: Readonly<Record<ModelContent, Buffer>>) {
    this.#text = text;
    this.#contents = contents;
    this.#modelFolder = dirname(dirname(first));
  }

  /** Beneath this repository, so that it imports the `tutti` under test; instead of one that was there. */
  static make(): AppCopy {
    rmSync(FOLDER, { recursive: true, force: true });
    cpSync(EXAMPLE, FOLDER, { recursive: true, filter: (file) => !LEFT_OUT.test(file) });
    cpSync(MODEL_DIRECTORY.trees, MODELS, { recursive: true });
    const [first, second] = modelFiles(MODELS);
    if (first === undefined || second === undefined) throw new Error(`${MODELS}: expected two models`);
    const text = readFileSync(`${FOLDER}supervisor.ts`, "utf8");
    if (!text.includes(SHOWN)) throw new Error(`supervisor.ts has no "${SHOWN}" any more: change this suite`);
    linkWithout(first, second);
    return new AppCopy(text, first, { own: readFileSync(first), another: readFileSync(second) });
  }

  /** From now on, answers of what is on the disk show this. */
  changeModule(shown: string, way: Exclude<Way, "version-folder">): void {
    const text = this.#text.replace(SHOWN, `version: ${JSON.stringify(shown)},`);
    put(this.#module, Buffer.from(text), way);
  }

  /** @param n that no change before had: the file is one that nobody has seen, whatever model is in it. */
  changeModel(content: ModelContent, n: number, way: Way): void {
    if (way === "version-folder") {
      this.#modelVersion += 1;
      mkdirSync(`${this.#modelFolder}/${this.#modelVersion}`);
    }
    const file = `${this.#modelFolder}/${this.#modelVersion}/model.onnx`;
    put(file, Buffer.concat([this.#contents[content], docString(`change ${n}`)]), way);
  }
}

function put(file: string, bytes: Buffer, way: Way): void {
  if (way !== "renamed") return writeFileSync(file, bytes);
  writeFileSync(`${file}.next`, bytes);
  renameSync(`${file}.next`, file);
}

/** The same models, but for the first one, in whose place the second is. */
function linkWithout(first: string, second: string): void {
  mkdirSync(OTHER_MODELS);
  cpSync(`${MODELS}/manifest.json`, `${OTHER_MODELS}/manifest.json`);
  for (const file of modelFiles(MODELS)) {
    const link = `${OTHER_MODELS}/${relative(MODELS, file)}`;
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(file === first ? second : file, link);
  }
}

const DOC_STRING = 6;
const LENGTH_DELIMITED = 2;

/** The field `doc_string` of ONNX's `ModelProto`; of a field that is there twice, readers take the last. */
function docString(text: string): Buffer {
  return Buffer.from([(DOC_STRING << 3) | LENGTH_DELIMITED, text.length, ...Buffer.from(text)]);
}
