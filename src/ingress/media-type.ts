import { TuttiError } from "../errors/tutti-error.ts";

const JSON_TYPE = /^application\/(?:[\w.!#$&^-]+\+)?json$/;
const UTF8_CHARSETS = ["utf-8", "utf8", "us-ascii"];

/**
 * What is wrong with a JSON body's headers, if anything. No content type is accepted, since inference clients often send
 * none; so is any `+json`. A clearly other type, charset or encoding is refused rather than guessed at.
 */
export function refuseMediaType(
  contentType: string | undefined,
  contentEncoding: string | undefined,
): TuttiError | undefined {
  if (
    contentEncoding !== undefined &&
    contentEncoding !== "" &&
    contentEncoding.toLowerCase() !== "identity"
  ) {
    return unsupported(
      `content-encoding ${quote(contentEncoding)} is not taken here: send the body uncompressed`,
    );
  }
  if (contentType === undefined || contentType === "" || contentType === "application/json") return undefined;
  const [type = "", ...parameters] = contentType.toLowerCase().split(";");
  if (!JSON_TYPE.test(type.trim())) {
    return unsupported(`content-type ${quote(contentType)} is not taken here: send application/json`);
  }
  for (const parameter of parameters) {
    const [name = "", value = ""] = parameter.split("=");
    const charset = value.trim().replaceAll('"', "");
    if (name.trim() === "charset" && !UTF8_CHARSETS.includes(charset)) {
      return unsupported(`charset ${quote(charset)} is not taken here: JSON is UTF-8`);
    }
  }
  return undefined;
}

function unsupported(message: string): TuttiError {
  return new TuttiError("UnsupportedMediaType", message, { path: "headers" });
}

function quote(value: string): string {
  return JSON.stringify(value.slice(0, 100));
}
