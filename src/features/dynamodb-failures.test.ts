import { describe, expect, it } from "vitest";
import { classifyFailure } from "./dynamodb-failures.ts";

function named(name: string, message: string, status?: number): Error {
  const metadata = status === undefined ? {} : { $metadata: { httpStatusCode: status } };
  return Object.assign(new Error(message), { name, ...metadata });
}

describe("classifyFailure", () => {
  it.each<[string, unknown]>([
    ["throttling", named("ProvisionedThroughputExceededException", "slow down", 400)],
    ["a connection that was reset", Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" })],
    ["a failure of the service", named("InternalServerError", "oops", 500)],
    ["an answer that is no JSON", named("SyntaxError", "Unexpected token", 200)],
    ["a proxy that is overloaded", named("UnknownError", "busy", 429)],
    ["something that is no error", "gone"],
  ])("tries again after %s", (_, error) => {
    expect(classifyFailure(error)).toMatchObject({ retryable: true, cause: error });
  });

  it.each<[string, unknown, RegExp]>([
    ["no region", new Error("Region is missing"), /set "region" or AWS_REGION/],
    [
      "no credentials",
      named("CredentialsProviderError", "Could not load"),
      /give the process a role, AWS_PROFILE/,
    ],
    ["no such table", named("ResourceNotFoundException", "", 400), /create it, or set "table"/],
    ["any other refusal", named("NewException", "no", 403), /NewException: no, HTTP status 403/],
  ])("gives up after %s and says what to do", (_, error, reason) => {
    expect(classifyFailure(error)).toMatchObject({ retryable: false, reason: expect.stringMatching(reason) });
  });
});
