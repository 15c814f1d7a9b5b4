import { request } from "node:http";

export interface Asked {
  readonly status: number;
  readonly body: string;
}

/**
 * One request on a connection of its own, closed after it: a kept-alive one would hold a synchronous worker.
 * @returns `undefined` when nobody answers within the time.
 */
export function ask(
  port: number,
  path: string,
  options: { readonly timeoutMs: number; readonly body?: unknown },
): Promise<Asked | undefined> {
  return new Promise((resolve) => {
    const outgoing = request(
      {
        host: "127.0.0.1",
        port,
        path,
        agent: false,
        method: options.body === undefined ? "GET" : "POST",
        headers: { "content-type": "application/json" },
        signal: AbortSignal.timeout(options.timeoutMs),
      },
      (incoming) => {
        let body = "";
        incoming.setEncoding("utf8");
        incoming.on("data", (part: string) => {
          body += part;
        });
        incoming.on("end", () => resolve({ status: incoming.statusCode ?? 0, body }));
        incoming.on("error", () => resolve(undefined));
      },
    );
    outgoing.on("error", () => resolve(undefined));
    outgoing.end(options.body === undefined ? undefined : JSON.stringify(options.body));
  });
}

/** Whether `POST /offers/{game}` answers a personal offer. */
export async function offerAnswered(port: number, game: string): Promise<boolean> {
  const answer = await ask(port, `/offers/${game}`, { timeoutMs: 5_000, body: { playerId: "player-00001" } });
  if (answer?.status !== 200) return false;
  try {
    const body: unknown = JSON.parse(answer.body);
    return (
      typeof body === "object" && body !== null && "propensity" in body && typeof body.propensity === "number"
    );
  } catch {
    return false;
  }
}
