import { type ApplicationDefinition, type DesiredApplication, MAX_HISTORY } from "./desired-state.ts";
import { isSameDefinition, isSameVersion } from "./preview.ts";

/**
 * What a node notes beside the definitions that people now want:
 *
 * - **AD1** A definition that is as it was stays as it is, rolled back or not.
 * - **AD2** One that is not is tried: its rollback is gone.
 * - **AD3** When it is another version, the definition before is remembered, unless that was rolled back: nobody wants
 *   to go back to what has failed.
 */
export function adoptDefinitions(
  before: readonly DesiredApplication[],
  wanted: readonly ApplicationDefinition[],
): DesiredApplication[] {
  return wanted
    .map((definition) => {
      const old = before.find(({ name }) => name === definition.name);
      return old === undefined ? { ...definition, history: [] } : adopt(old, definition);
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function adopt(old: DesiredApplication, definition: ApplicationDefinition): DesiredApplication {
  if (isSameDefinition(old, definition)) return old;
  const { rollback, history, ...left } = old;
  const isWorthIt = rollback === undefined && !isSameVersion(left, definition);
  const remembered = isWorthIt ? [left, ...history.filter((past) => !isSameVersion(past, left))] : history;
  return {
    ...definition,
    history: remembered.filter((past) => !isSameVersion(past, definition)).slice(0, MAX_HISTORY),
  };
}

/** What people wrote, without what the node notes. */
export function definitionOf({
  rollback: _,
  history: __,
  ...definition
}: DesiredApplication): ApplicationDefinition {
  return definition;
}
