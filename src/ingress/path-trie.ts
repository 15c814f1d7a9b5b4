import type { PathSegment } from "./path-pattern.ts";

interface Node<T> {
  readonly statics: Map<string, Node<T>>;
  param: Node<T> | undefined;
  leaf: { readonly value: T } | undefined;
}

const node = <T>(): Node<T> => ({ statics: new Map(), param: undefined, leaf: undefined });

/** Paths of one HTTP method. At each segment static text is preferred to a parameter, with backtracking. */
export class PathTrie<T> {
  readonly #root: Node<T> = node();

  /** Returns the value already there for the same shape of path (parameter names do not matter), else adds. */
  add(pattern: readonly PathSegment[], value: T): T | undefined {
    let at = this.#root;
    for (const segment of pattern) {
      if (segment.kind === "static") {
        const next = at.statics.get(segment.text) ?? node<T>();
        at.statics.set(segment.text, next);
        at = next;
      } else {
        at = at.param ??= node();
      }
    }
    if (at.leaf !== undefined) return at.leaf.value;
    at.leaf = { value };
    return undefined;
  }

  /** The values of the parameters, in order, are written to `captured`. */
  find(segments: readonly string[], captured: string[]): T | undefined {
    captured.length = 0;
    return search(this.#root, segments, 0, captured)?.value;
  }
}

function search<T>(
  at: Node<T>,
  segments: readonly string[],
  index: number,
  captured: string[],
): { readonly value: T } | undefined {
  const segment = segments[index];
  if (segment === undefined) return at.leaf;
  const next = at.statics.get(segment);
  if (next !== undefined) {
    const found = search(next, segments, index + 1, captured);
    if (found !== undefined) return found;
  }
  // An empty segment ("/offers//x") is never a parameter's value.
  if (at.param === undefined || segment === "") return undefined;
  captured.push(segment);
  const found = search(at.param, segments, index + 1, captured);
  if (found === undefined) captured.pop();
  return found;
}
