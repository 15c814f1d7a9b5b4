/**
 * How much a call is under suspicion of ending the process that runs it (D10): `none`; `suspect`, it was out when an
 * executor died; `alone`, it ran in company when another died, and must run by itself from now on.
 */
export const Suspicion = { none: 0, suspect: 1, alone: 2 } as const;
export type Suspicion = (typeof Suspicion)[keyof typeof Suspicion];

/**
 * What an executor's death says of a call that was out there. Who was out with an executor that died is under
 * suspicion and nothing more: a lane takes a hundred calls with it, of which one at most was the reason. Suspects are
 * told to be begun one by one or few at a time, and the executor says so before each; only the death of one that had
 * begun counts, and only when nobody else's input ran with it is it proof.
 *
 * @param company suspects' other calls that ran with it when it died; undefined when it had not begun.
 */
export function afterDeath(suspicion: Suspicion, company: number | undefined): Suspicion | "guilty" {
  if (suspicion === Suspicion.none) return Suspicion.suspect;
  if (company === undefined) return suspicion;
  return company === 0 ? "guilty" : Suspicion.alone;
}
