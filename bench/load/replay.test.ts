import { expect, test } from "vitest";
import { Replay } from "./replay.ts";

const playerIds = Array.from({ length: 100 }, (_, index) => `player-${index}`);
const options = { playerIds, host: "127.0.0.1", port: 8000, path: "/offers/tower", seed: 1 };

test("no player comes again before all others have", () => {
  const replay = new Replay(options);
  for (let pass = 0; pass < 3; pass += 1) {
    const seen = new Set(playerIds.map(() => replay.next()));
    expect(seen.size).toBe(playerIds.length);
  }
});

test("the order is shuffled by the seed", () => {
  const order = (seed: number) => {
    const replay = new Replay({ ...options, seed });
    return playerIds.map(() => replay.next());
  };
  expect(order(1)).toEqual(order(1));
  expect(order(1)).not.toEqual(order(2));
});

test("a request is a complete HTTP/1.1 message with the player's id", () => {
  const text = new Replay(options).request(42).toString();
  const [head, body] = text.split("\r\n\r\n");
  expect(head).toContain("POST /offers/tower HTTP/1.1");
  expect(head).toContain(`Content-Length: ${body?.length}`);
  expect(JSON.parse(body ?? "")).toEqual({ playerId: "player-42" });
});
