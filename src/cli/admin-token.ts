import { readFileSync } from "node:fs";
import { adminToken as tokenOfEnvironment } from "../config/environment.ts";
import { TuttiError } from "../errors/tutti-error.ts";

/** A secret is short; what is longer is some other file. */
const MAX_FILE_BYTES = 16 * 1024;

/**
 * The admin API's token, of the node and of who asks it: from a file, which is how secrets are mounted, else from the
 * environment. It is never a flag itself, since other users of the machine can read those.
 *
 * @throws TuttiError `InvalidOptions`, without what is in the file.
 */
export function adminToken(file: string | undefined): string | undefined {
  if (file === undefined) return tokenOfEnvironment();
  const token = readToken(file);
  if (token === "") throw invalid(`${file} is empty, expected a token in it`);
  return token;
}

function readToken(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (thrown) {
    throw invalid(`cannot read ${file}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
  if (bytes.length > MAX_FILE_BYTES) {
    throw invalid(`${file} has ${bytes.length} bytes, expected a token and nothing else`);
  }
  return bytes.toString("utf8").trim();
}

const invalid = (what: string): TuttiError =>
  new TuttiError("InvalidOptions", `--admin-token-file: ${what}`, { path: "adminTokenFile" });
