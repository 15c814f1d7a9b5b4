/** Where and why a text is not JSON. `offset` counts UTF-16 units from 0, `line` and `column` from 1. */
export interface JsonFault {
  readonly offset: number;
  readonly line: number;
  readonly column: number;
  readonly expected: string;
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids exactly these in a string.
const STRING_RUN = /[^"\\\u0000-\u001f]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/**
 * Finds the first fault of a text that `JSON.parse` refused: V8's own message names a position only sometimes. Runs on
 * the error path only; recursion is bounded by the depth scan that came before.
 */
export function locateJsonFault(text: string): JsonFault | undefined {
  const scanner = new Scanner(text);
  const expected = scanner.document();
  if (expected === undefined) return undefined;
  const before = text.slice(0, scanner.at).split("\n");
  return {
    offset: scanner.at,
    line: before.length,
    column: (before.at(-1)?.length ?? 0) + 1,
    expected,
  };
}

/** Each method advances `at` past what it names, or leaves it at the fault and returns what was expected there. */
class Scanner {
  at = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  document(): string | undefined {
    const fault = this.#value();
    if (fault !== undefined) return fault;
    return this.at < this.#text.length ? "the end of the text" : undefined;
  }

  #value(): string | undefined {
    this.#skip(SPACE);
    const fault = this.#bareValue();
    if (fault === undefined) this.#skip(SPACE);
    return fault;
  }

  #bareValue(): string | undefined {
    switch (this.#text[this.at]) {
      case "{":
        return this.#list("}", () => this.#member());
      case "[":
        return this.#list("]", () => this.#value());
      case '"':
        return this.#string();
    }
    if (this.#skip(NUMBER) > 0) return undefined;
    for (const word of ["true", "false", "null"]) {
      if (this.#text.startsWith(word, this.at)) {
        this.at += word.length;
        return undefined;
      }
    }
    return "a value";
  }

  #list(close: string, item: () => string | undefined): string | undefined {
    this.at++;
    this.#skip(SPACE);
    if (this.#take(close)) return undefined;
    for (;;) {
      const fault = item();
      if (fault !== undefined) return fault;
      if (this.#take(close)) return undefined;
      if (!this.#take(",")) return `"," or "${close}"`;
      this.#skip(SPACE);
    }
  }

  #member(): string | undefined {
    if (this.#text[this.at] !== '"') return "a property name in double quotes";
    const fault = this.#string();
    if (fault !== undefined) return fault;
    this.#skip(SPACE);
    return this.#take(":") ? this.#value() : '":"';
  }

  #string(): string | undefined {
    this.at++;
    for (;;) {
      this.#skip(STRING_RUN);
      if (this.#take('"')) return undefined;
      if (this.#skip(ESCAPE) > 0) continue;
      if (this.at >= this.#text.length) return "the end of a string";
      return this.#text[this.at] === "\\" ? "a valid escape" : "no control character in a string";
    }
  }

  #take(character: string): boolean {
    if (this.#text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  #skip(pattern: RegExp): number {
    pattern.lastIndex = this.at;
    const length = pattern.exec(this.#text)?.[0].length ?? 0;
    this.at += length;
    return length;
  }
}
