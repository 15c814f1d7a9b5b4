import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import type { FeatureEntry } from "./feature-store.ts";
import { decodeVector, encodeVector } from "./vector-codec.ts";

type Item = Record<string, AttributeValue>;

export interface ItemFormat {
  readonly keyAttribute: string;
  readonly vectorAttribute: string;
  readonly dimensions: number | undefined;
}

export function toItem({ key, vector }: FeatureEntry, format: ItemFormat): Item {
  return { [format.keyAttribute]: { S: key }, [format.vectorAttribute]: { B: encodeVector(vector) } };
}

/** @returns the vector, or why there is none, as a clause for an error message. */
export function vectorOf(item: Item, format: ItemFormat): Float32Array | string {
  const attribute = item[format.vectorAttribute];
  if (attribute?.B !== undefined) return decodeVector(attribute.B, format.dimensions);
  if (attribute?.L !== undefined) return vectorOfNumbers(attribute.L, format.dimensions);
  const found = attribute === undefined ? "is missing" : `has type ${Object.keys(attribute)[0]}`;
  return `its attribute "${format.vectorAttribute}" ${found}, expected B or a list of N`;
}

function vectorOfNumbers(
  list: readonly AttributeValue[],
  dimensions: number | undefined,
): Float32Array | string {
  if (list.length === 0 || (dimensions !== undefined && list.length !== dimensions)) {
    return `its vector has ${list.length} elements, expected ${dimensions ?? "at least 1"}`;
  }
  const vector = new Float32Array(list.length);
  for (const [index, element] of list.entries()) {
    const value = element.N === undefined ? Number.NaN : Number(element.N);
    if (Number.isNaN(value)) return `element ${index} of its vector is not a number`;
    vector[index] = value;
  }
  return vector;
}
