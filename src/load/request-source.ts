import type { HttpResponse } from "./response-parser.ts";

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** What is asked, one after the other, each under a key that its ending is told by. */
export interface RequestSource {
  next(): number;
  request(key: number): Buffer;
}

/** What becomes of requests. */
export interface LoadEvents {
  answered(key: number, response: HttpResponse, latencyMs: number, intendedMs: number): void;
  failed(key: number, reason: string, intendedMs: number): void;
  /** A reused connection had just been closed by the server; its request was sent again on a new one. */
  resent(): void;
  opened(): void;
}
