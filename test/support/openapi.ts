import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";

interface Answer {
  readonly description: string;
  readonly content: Readonly<Record<string, { readonly schema: object }>>;
}

interface Operation {
  readonly summary: string;
  readonly parameters?: readonly { readonly name: string; readonly schema: object }[];
  readonly responses: Readonly<Record<string, Answer>>;
  readonly security?: readonly object[];
}

export interface OpenApiJson {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, { readonly get: Operation }>>;
  readonly security: readonly object[];
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

/** Judges answers by what an OpenAPI document says of them, and by nothing else. */
export class OpenApiDocument {
  readonly document: OpenApiJson;
  readonly #ajv: Ajv2020;
  readonly #seen = new Set<string>();

  constructor(document: OpenApiJson) {
    this.document = document;
    // What formats mean is another library's; that they are there does no harm.
    this.#ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
    this.#ajv.addSchema(document, "openapi");
  }

  get paths(): string[] {
    return Object.keys(this.document.paths);
  }

  /** Every path, status and type of content that is documented and was not judged yet. */
  get unseen(): string[] {
    return Object.entries(this.document.paths)
      .flatMap(([path, { get }]) =>
        Object.entries(get.responses).flatMap(([status, { content }]) =>
          Object.keys(content).map((type) => `${path} ${status} ${type}`),
        ),
      )
      .filter((key) => !this.#seen.has(key));
  }

  /** @throws Error what is not as it is documented. */
  judge(path: string, status: number, contentType: string | undefined, body: unknown): void {
    const answer = this.document.paths[path]?.get.responses[String(status)];
    if (answer === undefined) throw new Error(`${path} answers ${status}, which is not documented`);
    // Of JSON the character set goes without saying.
    const type = contentType?.replace(/^application\/json;.*/, "application/json") ?? "none";
    if (!(type in answer.content))
      throw new Error(`${path} ${status} is of type ${type}, which is not documented`);
    const validate = this.#validatorOf(path, status, type);
    if (!validate(body)) {
      throw new Error(`${path} ${status}: ${this.#ajv.errorsText(validate.errors, { dataVar: "answer" })}`);
    }
    this.#seen.add(`${path} ${status} ${type}`);
  }

  #validatorOf(path: string, status: number, type: string): ValidateFunction {
    const escaped = (part: string) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"));
    const pointer = ["paths", path, "get", "responses", String(status), "content", type, "schema"].map(
      escaped,
    );
    const validate = this.#ajv.getSchema(`openapi#/${pointer.join("/")}`);
    if (validate === undefined) throw new Error(`${path} ${status} ${type} has no schema`);
    return validate;
  }
}
