import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { TuttiError } from "../errors/tutti-error.ts";
import { isLoopback, type ResolvedAdminOptions } from "./admin-options.ts";

/**
 * Who may ask. With a token: whoever has it, compared in constant time. Without one the server listens on this machine
 * alone, and then a `host` that is not this machine's is refused too: a page in somebody's browser may have its own name
 * resolved to 127.0.0.1, and would otherwise read what it likes.
 */
export class AdminGuard {
  readonly #token: Buffer | undefined;

  constructor({ token }: Pick<ResolvedAdminOptions, "token">) {
    this.#token = token === undefined ? undefined : digest(token);
  }

  refusalOf({ authorization, host }: IncomingHttpHeaders): TuttiError | undefined {
    if (this.#token !== undefined) {
      const given = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
      // Of equal length whatever was sent, as the comparison demands.
      if (given !== undefined && timingSafeEqual(digest(given), this.#token)) return undefined;
      const message = "expected authorization: Bearer <token>, with the token of this node";
      return new TuttiError("Unauthenticated", message);
    }
    if (isLoopback(nameOf(host ?? ""))) return undefined;
    return new TuttiError("Forbidden", "expected a host header of this machine alone, such as localhost");
  }
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** Without its port. */
const nameOf = (host: string): string => host.replace(/:\d+$/, "");
