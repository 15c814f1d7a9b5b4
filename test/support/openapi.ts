import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";

const METHODS = ["get", "put", "post"] as const;
export type Method = (typeof METHODS)[number];

interface Answer {
  readonly description: string;
  readonly content: Readonly<Record<string, { readonly schema: object }>>;
}

interface Operation {
  readonly summary: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: object }[];
  readonly responses: Readonly<Record<string, Answer>>;
  readonly security?: readonly object[];
}

export interface OpenApiJson {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, { readonly [method in Method]?: Operation }>>;
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
      .flatMap(([path, operations]) =>
        METHODS.flatMap((method) =>
          Object.entries(operations[method]?.responses ?? {}).flatMap(([status, { content }]) =>
            Object.keys(content).map((type) => `${method} ${path} ${status} ${type}`),
          ),
        ),
      )
      .filter((key) => !this.#seen.has(key));
  }

  /** @throws Error what is not as it is documented. */
  judge(
    path: string,
    status: number,
    contentType: string | undefined,
    body: unknown,
    method: Method = "get",
  ): void {
    const answer = this.document.paths[path]?.[method]?.responses[String(status)];
    if (answer === undefined) throw new Error(`${method} ${path} answers ${status}, which is not documented`);
    // Of JSON the character set goes without saying.
    const type = contentType?.replace(/^application\/json;.*/, "application/json") ?? "none";
    if (!(type in answer.content))
      throw new Error(`${path} ${status} is of type ${type}, which is not documented`);
    this.#check(["paths", path, method, "responses", String(status), "content", type, "schema"], body);
    this.#seen.add(`${method} ${path} ${status} ${type}`);
  }

  /** Whether a body is one that the document says is taken. */
  judgeBody(path: string, method: Method, body: unknown): void {
    this.#check(["paths", path, method, "requestBody", "content", "application/json", "schema"], body);
  }

  #check(pointer: readonly string[], value: unknown): void {
    const validate = this.#validatorOf(pointer);
    if (!validate(value)) {
      const what = this.#ajv.errorsText(validate.errors, { dataVar: "answer" });
      throw new Error(`${pointer.slice(1, -2).join(" ")}: ${what}`);
    }
  }

  #validatorOf(pointer: readonly string[]): ValidateFunction {
    const escaped = pointer.map((part) =>
      encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1")),
    );
    const validate = this.#ajv.getSchema(`openapi#/${escaped.join("/")}`);
    if (validate === undefined) throw new Error(`${pointer.join(" ")} has no schema`);
    return validate;
  }
}
