import type { z } from "zod";
import type { CellStore } from "../measure/cells.ts";
import { missingModels } from "../reference/model-files.ts";
import { MODEL_DIRECTORY } from "../reference/paths.ts";
import { type QuietPlan, undisturbed } from "./loaded-node.ts";

/** One visit of a suite, and what it is called where its cell is kept and where it is told of. */
export interface PlannedVisit<V> {
  readonly cell: string;
  readonly title: string;
  /** Gives undefined when it was disturbed. */
  readonly visit: () => Promise<V | undefined>;
}

export interface Visited<V> {
  readonly visits: readonly V[];
  readonly skipped: readonly string[];
}

/** Visits of the example with its tree models, one after the other; one that cannot be made is skipped and told, and the others are made. */
export async function undisturbedVisits<V>(
  suite: {
    readonly plan: QuietPlan;
    readonly cells: CellStore;
    readonly schema: z.ZodType<V>;
    readonly say: (line: string) => void;
  },
  planned: Iterable<PlannedVisit<V>>,
): Promise<Visited<V>> {
  const { plan, cells, schema, say } = suite;
  const missing = missingModels(MODEL_DIRECTORY.trees);
  if (missing !== undefined) return { visits: [], skipped: [`trees: ${missing}`] };
  const visits: V[] = [];
  const skipped: string[] = [];
  for (const { cell, title, visit } of planned) {
    try {
      visits.push(await cells.cell(cell, schema, () => undisturbed(plan, say, visit)));
    } catch (error) {
      skipped.push(`${title}: ${error instanceof Error ? error.message : String(error)}`);
      say(`SKIPPED ${skipped.at(-1)}`);
    }
  }
  return { visits, skipped };
}
