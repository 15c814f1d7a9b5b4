import type { FastifyInstance } from "fastify";
import { TuttiError } from "../errors/tutti-error.ts";

/** As much as a config file may have. */
export const MAX_BODY_BYTES = 1024 * 1024;

/** Bodies are JSON, and their faults are told as all others are. */
export function takeJson(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser("application/json", { parseAs: "string" }, (_request, body, done) => {
    try {
      done(null, JSON.parse(String(body)));
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      done(new TuttiError("MalformedJson", `the body is not JSON: ${why}`, { path: "body" }));
    }
  });
}

/** What Fastify itself refuses, by our codes. */
export function toError(thrown: unknown): TuttiError {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  if (code === "FST_ERR_CTP_INVALID_MEDIA_TYPE") {
    const message = "expected content-type: application/json";
    return new TuttiError("UnsupportedMediaType", message, { path: "headers.content-type" });
  }
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") {
    const message = `the body is larger than ${MAX_BODY_BYTES} bytes`;
    return new TuttiError("PayloadTooLarge", message, { path: "body" });
  }
  if (code === "FST_ERR_CTP_INVALID_CONTENT_LENGTH") {
    return new TuttiError("InvalidArgument", "the body is not as long as its content-length says");
  }
  return TuttiError.from(thrown, "Internal");
}
