import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isPair,
  isScalar,
  LineCounter,
  type ParsedNode,
  parseDocument,
} from "yaml";
import type { FaultPath } from "../config/fault.ts";

/** Ten thousand applications; a file that is larger is some other file. */
export const MAX_FILE_BYTES = 1024 * 1024;
/** How many values aliases may stand for, those within others multiplied. */
const MAX_ALIASES = 100;
/** Of everything that is wrong with the text, so many are told. */
const MAX_SYNTAX_FAULTS = 20;
/** What nests deeper is no configuration. */
const MAX_NESTING = 64;

export interface Position {
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

export interface SyntaxFault {
  readonly message: string;
  readonly at: Position | undefined;
}

export type ParsedYaml =
  | { readonly kind: "faulty"; readonly faults: readonly SyntaxFault[] }
  | {
      readonly kind: "parsed";
      readonly value: unknown;
      /** Where the value, or its key if it is an unknown one, was written; of what is not there, where it should be. */
      readonly positionOf: (path: FaultPath) => Position | undefined;
    };

/** A text of YAML 1.2, of which JSON is a part, as data. Tags and duplicate keys are faults: they are not what they look like. */
export function parseYaml(text: string): ParsedYaml {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, version: "1.2" });
  const at = (offset: number): Position => {
    const { line, col: column } = lines.linePos(offset);
    return { line, column };
  };
  // A warning is of a tag that means nothing here: its value would be taken for something else.
  const problems = [...document.errors, ...document.warnings];
  if (problems.length > 0) {
    const told = problems.slice(0, MAX_SYNTAX_FAULTS);
    return faulty(
      ...told.map(({ message, pos: [offset] }) => ({ message: plainly(message), at: at(offset) })),
    );
  }
  const shape = shapeFault(document.contents);
  if (shape !== undefined) return faulty({ message: shape.message, at: at(shape.offset) });
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return {
      kind: "parsed",
      value,
      positionOf: (path) => {
        const offset = offsetOf(document, path);
        return offset === undefined ? undefined : at(offset);
      },
    };
  } catch (thrown) {
    // Aliases that stand for too much, or for what was never named.
    return faulty({ message: thrown instanceof Error ? thrown.message : String(thrown), at: undefined });
  }
}

const faulty = (...faults: SyntaxFault[]): ParsedYaml => ({ kind: "faulty", faults });

/** Of the deepest node on the path that is there; the key of an entry rather than its value, as it comes first. */
function offsetOf(document: Document.Parsed, path: FaultPath): number | undefined {
  let node: unknown = document.contents;
  let offset = startOf(node);
  for (const part of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (!isCollection(node)) return offset;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => (isScalar(key) ? String(key.value) : undefined) === part);
      if (pair === undefined) return offset;
      offset = startOf(pair.key) ?? offset;
      node = pair.value;
    } else {
      node = node.items[Number(part)];
      offset = startOf(node) ?? offset;
    }
  }
  return offset;
}

const startOf = (node: unknown): number | undefined =>
  isNode(node) ? (node as ParsedNode).range?.[0] : undefined;

/** The parser does not fall over what nests too deeply, but says so in the words of the machine. */
const plainly = (message: string): string =>
  message.includes("call stack") ? "it nests too deeply" : message;

/**
 * Keys that are lists or maps would have to be written as text, each level twice the one within: before that happens they
 * are refused.
 */
function shapeFault(
  node: unknown,
  depth = 0,
): { readonly message: string; readonly offset: number } | undefined {
  if (!isCollection(node)) return undefined;
  const offset = startOf(node) ?? 0;
  if (depth === MAX_NESTING) return { message: `it nests deeper than ${MAX_NESTING} levels`, offset };
  for (const item of node.items) {
    if (isPair(item) && item.key !== null && !isScalar(item.key))
      return { message: "expected a text as key, found something else", offset: startOf(item.key) ?? offset };
    const fault = shapeFault(isPair(item) ? item.value : item, depth + 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
