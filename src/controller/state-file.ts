import { createHash } from "node:crypto";
import { TuttiError } from "../errors/tutti-error.ts";
import type { DesiredState } from "../policy/desired-state.ts";

const FORMAT = 1;

/** Larger than any state that was let in; what is longer was not written here. */
export const MAX_STATE_BYTES = 16 * 1024 * 1024;

/** One line that says what follows, with its checksum; then the state as JSON that people can read. */
export function encodeState(state: DesiredState): Buffer {
  const body = `${JSON.stringify(state, undefined, 2)}\n`;
  const head = { tutti: "desired state", format: FORMAT, sha256: sha256(body) };
  return Buffer.from(`${JSON.stringify(head)}\n${body}`);
}

/** @throws TuttiError `StoreDamaged`, with what is wrong and what to do. */
export function decodeState(bytes: Buffer, file: string): DesiredState {
  const text = bytes.toString("utf8");
  const end = text.indexOf("\n");
  const head = parseHead(text.slice(0, Math.max(0, end)));
  if (head === undefined) throw damaged(file, "it does not begin as a state file does");
  if (head.format !== FORMAT) {
    throw damaged(
      file,
      `expected format ${FORMAT}, found ${String(head.format)}: another version of tutti wrote it`,
    );
  }
  const body = text.slice(end + 1);
  if (head.sha256 !== sha256(body)) throw damaged(file, "its checksum is not that of its contents");
  // The checksum says that this is what `encodeState` was given, in this format.
  return JSON.parse(body) as DesiredState;
}

export const damaged = (file: string, why: string): TuttiError =>
  new TuttiError(
    "StoreDamaged",
    `${file}: ${why}. Stop the node; then put a copy back, or remove the file and deploy again`,
    { started: "no" },
  );

interface Head {
  readonly tutti?: unknown;
  readonly format?: unknown;
  readonly sha256?: unknown;
}

function parseHead(line: string): Head | undefined {
  try {
    const head: Head | null = JSON.parse(line);
    return head?.tutti === undefined ? undefined : head;
  } catch {
    return undefined;
  }
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
