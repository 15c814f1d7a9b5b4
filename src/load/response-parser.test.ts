import fc from "fast-check";
import { expect, test } from "vitest";
import { MalformedResponse, ResponseParser } from "./response-parser.ts";

const body = JSON.stringify({ playerId: "player-00042", name: "Zoë" });
const plain = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Tutti-Degraded: 0\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
);
const chunked = Buffer.from(
  "HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\nWiki\r\n6\r\npedia \r\n0\r\n\r\n",
);

function parse(bytes: Buffer, cuts: readonly number[]) {
  const parser = new ResponseParser();
  const at = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  const answers = at.slice(1).flatMap((end, index) => {
    const part = Buffer.from(bytes.subarray(at[index], end));
    const answer = part.length === 0 ? undefined : parser.push(part);
    // The reader's buffer is used again for the next chunk.
    part.fill(0);
    return answer ?? [];
  });
  return { answers, idle: parser.idle };
}

test("an answer is the same however its bytes are cut", () => {
  const cuts = fc.array(fc.integer({ min: 1, max: Math.min(plain.length, chunked.length) - 1 }), {
    maxLength: 6,
  });
  fc.assert(
    fc.property(cuts, (places) => {
      expect(parse(plain, places)).toEqual({
        answers: [{ status: 200, degradedHeader: "0", closes: false, body }],
        idle: true,
      });
      expect(parse(chunked, places)).toEqual({
        answers: [{ status: 503, degradedHeader: undefined, closes: true, body: "Wikipedia " }],
        idle: true,
      });
    }),
  );
});

test("of an answer that refuses, the time to come back is told", () => {
  const text = "HTTP/1.1 503 x\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n";
  expect(new ResponseParser().push(Buffer.from(text))?.retryAfter).toBe("3");
});

test("of a stream, whether it became degraded is told after its last chunk", () => {
  const stream = Buffer.from(
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Tutti-Degraded: 1\r\n\r\n",
  );
  for (let cut = 1; cut < stream.length; cut++) {
    expect(parse(stream, [cut])).toEqual({
      answers: [{ status: 200, degradedHeader: "1", closes: false, body: "ok" }],
      idle: true,
    });
  }
});

test("an answer without a body need not state its length", () => {
  const parser = new ResponseParser();
  expect(parser.push(Buffer.from("HTTP/1.1 204 No Content\r\n\r\n"))).toMatchObject({
    status: 204,
    body: "",
  });
  expect(parser.push(plain)?.status).toBe(200);
});

test("an incomplete answer is waited for", () => {
  expect(parse(plain.subarray(0, plain.length - 1), [])).toEqual({ answers: [], idle: false });
});

test("answers on one connection follow each other", () => {
  const parser = new ResponseParser();
  expect(parser.push(plain)?.status).toBe(200);
  expect(parser.push(chunked)?.status).toBe(503);
});

test.each([
  ["what is not HTTP", "SSH-2.0-OpenSSH\r\n\r\n"],
  ["an answer without a length", "HTTP/1.1 200 OK\r\n\r\nhello"],
  ["bytes after the end", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1"],
  ["a chunk size that is no number", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
])("%s is refused", (_, bytes) => {
  expect(() => new ResponseParser().push(Buffer.from(bytes))).toThrow(MalformedResponse);
});

test("a head without an end is refused before it fills the memory", () => {
  const parser = new ResponseParser();
  expect(() => parser.push(Buffer.alloc(65 * 1024, "x"))).toThrow("does not end");
});
