import type { IncomingHttpHeaders } from "node:http";

/** What is decided by: a request's first line and headers, whoever read them. */
export interface RequestHead {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly httpVersion: string;
  readonly headers: IncomingHttpHeaders;
}
