/** Invariant D10. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { afterDeath, Suspicion } from "./suspicion.ts";

const anySuspicion = fc.constantFrom(...Object.values(Suspicion));
const anyCompany = fc.option(fc.nat(64), { nil: undefined });

describe("afterDeath", () => {
  it("makes nobody guilty by the first death, whatever ran", () => {
    fc.assert(
      fc.property(anyCompany, (company) => {
        expect(afterDeath(Suspicion.none, company)).toBe(Suspicion.suspect);
      }),
    );
  });

  it("says nothing of a suspect that had not begun: any number of deaths leave it as it was", () => {
    fc.assert(
      fc.property(fc.constantFrom(Suspicion.suspect, Suspicion.alone), (suspicion) => {
        expect(afterDeath(suspicion, undefined)).toBe(suspicion);
      }),
    );
  });

  it("finds a suspect guilty that ran by itself, and has one that ran in company run by itself", () => {
    expect(afterDeath(Suspicion.suspect, 0)).toBe("guilty");
    expect(afterDeath(Suspicion.suspect, 7)).toBe(Suspicion.alone);
    expect(afterDeath(Suspicion.alone, 0)).toBe("guilty");
  });

  it("finds an input that ends every executor which runs it guilty after two deaths, or three if it had company", () => {
    fc.assert(
      fc.property(fc.nat(64), (companyOfSecond) => {
        let suspicion: Suspicion | "guilty" = Suspicion.none;
        let deaths = 0;
        while (suspicion !== "guilty") {
          deaths += 1;
          const isAlone: boolean = suspicion === Suspicion.alone;
          suspicion = afterDeath(suspicion, isAlone ? 0 : companyOfSecond);
        }
        expect(deaths).toBe(companyOfSecond === 0 ? 2 : 3);
      }),
    );
  });

  it("never suspects less than before", () => {
    fc.assert(
      fc.property(anySuspicion, anyCompany, (suspicion, company) => {
        const next = afterDeath(suspicion, company);
        if (next !== "guilty") expect(next).toBeGreaterThanOrEqual(suspicion);
      }),
    );
  });
});
