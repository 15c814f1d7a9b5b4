import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readPlainRequest } from "./plain-request.ts";

const read = (text: string) => readPlainRequest(Buffer.from(text, "latin1"));
const POST =
  'POST /offers/tower HTTP/1.1\r\nHost: a\r\nContent-Length: 14\r\nX-Note:  b: c \r\n\r\n{"playerId":1}';

describe("readPlainRequest", () => {
  it("reads the first line, the headers by their names in lower case, and how long the body is", () => {
    expect(read(POST)).toEqual({
      method: "POST",
      url: "/offers/tower",
      httpVersion: "1.1",
      headers: { host: "a", "content-length": "14", "x-note": "b: c" },
      bodyBytes: 14,
    });
    expect(read("GET /a?b HTTP/1.1\r\nhost: a\r\nConnection: Keep-Alive\r\n\r\n")?.bodyBytes).toBe(0);
  });

  it.each([
    ["half a head", POST.slice(0, 40)],
    ["a body that is not all here", POST.slice(0, -1)],
    ["a second request behind it", POST + POST],
    ["bytes before it", `\r\n${POST}`],
    ["HTTP/1.0", POST.replace("1.1", "1.0")],
    ["a method whose answer has no body", "HEAD / HTTP/1.1\r\nhost: a\r\n\r\n"],
    ["a method in small letters", POST.replace("POST", "post")],
    ["a space in its URL", POST.replace("/tower", "/to wer")],
    ["line ends without a carriage return", POST.replace("Host: a\r\n", "Host: a\n")],
    ["a header on two lines", POST.replace("Host: a", "Host: a\r\n b")],
    ["a header without a colon", POST.replace("Host: a", "Host a")],
    ["a header without a name", POST.replace("Host:", ":")],
    ["a space before the colon", POST.replace("Length:", "Length :")],
    ["a control character", POST.replace("b: c", "b\x00c")],
    ["two lengths", POST.replace("Host: a", "content-length: 14")],
    ["a length that is no number", POST.replace(": 14", ": +14")],
    ["a length with a space that is none to HTTP", POST.replace(": 14", ": 14\xa0")],
    ["a chunked body", POST.replace("Host: a", "Transfer-Encoding: chunked")],
    ["a close of the connection", POST.replace("Host: a", "Connection: close")],
    ["an upgrade", POST.replace("Host: a", "Upgrade: h2c")],
    ["an expectation", POST.replace("Host: a", "Expect: 100-continue")],
  ])("leaves to a real parser: %s", (_, text) => {
    expect(text).not.toBe(POST);
    expect(read(text)).toBeUndefined();
  });

  it("takes no name for one of JavaScript's own", () => {
    expect(read("GET / HTTP/1.1\r\n__proto__: a\r\nconstructor: b\r\n\r\n")?.headers.constructor).toBe("b");
  });

  it("is total, and never finds another length than the bytes have", () => {
    const part = fc.constantFrom(
      "POST / HTTP/1.1",
      "\r\n",
      "content-length: 3",
      ":",
      " ",
      "abc",
      "GET / HTTP/1.1",
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(part, fc.string()), { maxLength: 12 }), (parts) => {
        const bytes = Buffer.from(parts.join(""), "latin1");
        const head = bytes.indexOf("\r\n\r\n");
        const request = readPlainRequest(bytes);
        if (request !== undefined) expect(head + 4 + request.bodyBytes).toBe(bytes.length);
      }),
    );
  });
});
