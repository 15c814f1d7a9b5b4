import { Document, isMap, isScalar, type Pair, type YAMLMap } from "yaml";
import type { ApplicationDefinition } from "../policy/desired-state.ts";

/** For editors; the path is that of the package as it is installed beside the file. */
export const SCHEMA_LINE = " yaml-language-server: $schema=./node_modules/tutti/schema/tutti.schema.json";

/** Where a value is written, to what is said of it at the end of its line. */
export type Remarks = ReadonlyMap<string, string>;

/** @param head comments before everything, one a line. */
export function configText(
  value: { readonly applications?: readonly ApplicationDefinition[] } & object,
  head: readonly string[],
  remarks: Remarks = new Map(),
): string {
  const document = new Document(value);
  document.commentBefore = [SCHEMA_LINE, ...head.map((line) => ` ${line}`)].join("\n");
  remark(document.contents, "", remarks);
  return document.toString({ lineWidth: 0, flowCollectionPadding: true });
}

/** Under keys as `http.port` and `applications.0.name`. */
function remark(node: unknown, at: string, remarks: Remarks): void {
  if (typeof node !== "object" || node === null || !("items" in node)) return;
  for (const [index, item] of (node as YAMLMap).items.entries()) {
    const isEntry = isMap(node);
    const value = isEntry ? (item as Pair).value : item;
    const key = isEntry ? String(isScalar(item.key) ? item.key.value : item.key) : String(index);
    const path = at === "" ? key : `${at}.${key}`;
    const text = remarks.get(path);
    if (text !== undefined && isScalar(value)) value.comment = ` ${text}`;
    else if (text !== undefined && isMap(value)) value.commentBefore = ` ${text}`;
    remark(value, path, remarks);
  }
}
