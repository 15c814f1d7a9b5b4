import type { ReferenceAnswer } from "../load/answer-check.ts";

/** The right answers for a whole population, as kept in `bench/.cache/`. */
export interface Reference {
  readonly playerIds: readonly string[];
  /** In the order of `playerIds`. */
  readonly answers: readonly ReferenceAnswer[];
}

export function parseReference(text: string): Reference {
  const value: unknown = JSON.parse(text);
  if (!isReference(value))
    throw new Error("the reference file is not one: delete bench/.cache and run again");
  return value;
}

function isReference(value: unknown): value is Reference {
  if (typeof value !== "object" || value === null || !("playerIds" in value) || !("answers" in value))
    return false;
  const { playerIds, answers } = value;
  return Array.isArray(playerIds) && Array.isArray(answers) && playerIds.length === answers.length;
}
