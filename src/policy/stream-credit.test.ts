import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CreditAccount, STREAM_WINDOW, TakenCredit } from "./stream-credit.ts";

describe("the credit of a stream", () => {
  it("begins with the window: so many chunks, and not one more", () => {
    const account = new CreditAccount();
    for (let i = 0; i < STREAM_WINDOW.chunks; i++) expect(account.use(0)).toBe(true);
    expect(account.isOpen).toBe(false);
    expect(account.use(0)).toBe(false);
  });

  it("lets a chunk begin while a byte is left, however large it is, and then none (S1)", () => {
    const account = new CreditAccount();
    expect(account.use(STREAM_WINDOW.bytes - 1)).toBe(true);
    expect(account.use(STREAM_WINDOW.bytes * 100)).toBe(true);
    expect(account.use(0)).toBe(false);
  });

  it("refuses what would be more than the window, and changes nothing by it", () => {
    const account = new CreditAccount();
    expect(account.grant({ chunks: 1, bytes: 0 })).toBe(false);
    expect(account.grant({ chunks: 0, bytes: 1 })).toBe(false);
    account.use(10);
    expect(account.grant({ chunks: 1, bytes: 11 })).toBe(false);
    expect(account.grant({ chunks: 2, bytes: 10 })).toBe(false);
    expect(account.grant({ chunks: 1, bytes: 10 })).toBe(true);
    expect(account.grant({ chunks: 1, bytes: 0 })).toBe(false);
  });

  it("bounds what is under way, and never stalls a reader that takes all of it (S1)", () => {
    const sizes = fc.array(fc.oneof(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 300_000 })), {
      minLength: 1,
      maxLength: 400,
    });
    fc.assert(
      fc.property(sizes, fc.infiniteStream(fc.integer({ min: 0, max: 3 })), (chunkBytes, choices) => {
        const writer = new CreditAccount();
        const reader = new CreditAccount();
        const taken = new TakenCredit();
        const underWay: number[] = [];
        let next = 0;
        let read = 0;
        while (read < chunkBytes.length) {
          const mayWrite = writer.isOpen && next < chunkBytes.length;
          // A stalled stream would have neither: nothing to read, and no credit to write.
          expect(mayWrite || underWay.length > 0).toBe(true);
          const choice = choices.next().value;
          if (mayWrite && (choice > 0 || underWay.length === 0)) {
            const bytes = chunkBytes[next++]!;
            expect(writer.use(bytes)).toBe(true);
            expect(reader.use(bytes)).toBe(true);
            underWay.push(bytes);
          } else {
            read += 1;
            const credit = taken.take(underWay.shift()!);
            if (credit !== undefined) {
              expect(reader.grant(credit)).toBe(true);
              expect(writer.grant(credit)).toBe(true);
            }
          }
          expect(underWay.length).toBeLessThanOrEqual(STREAM_WINDOW.chunks);
          const allButTheLast = underWay.slice(0, -1).reduce((sum, bytes) => sum + bytes, 0);
          expect(allButTheLast).toBeLessThan(STREAM_WINDOW.bytes);
        }
      }),
    );
  });
});
