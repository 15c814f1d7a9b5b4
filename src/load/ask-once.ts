import { HttpConnection } from "./http-connection.ts";
import type { Target } from "./request-source.ts";
import type { HttpResponse } from "./response-parser.ts";

/** One request on a connection of its own. @returns the answer, or why there is none. */
export function askOnce(
  { host, port }: Target,
  request: Buffer,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<HttpResponse | string> {
  return new Promise((resolve) => {
    const end = (outcome: HttpResponse | string): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", interrupted);
      connection.close();
      resolve(outcome);
    };
    const interrupted = (): void => end("interrupted");
    const timer = setTimeout(() => end(`no answer within ${timeoutMs} ms`), timeoutMs);
    signal.addEventListener("abort", interrupted, { once: true });
    const connection = new HttpConnection(host, port, {
      answered: end,
      failed: end,
      resent: () => {},
      opened: () => {},
    });
    connection.send(request);
  });
}
