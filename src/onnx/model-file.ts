import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { TuttiError } from "../errors/tutti-error.ts";

export interface ModelFile {
  /** The model's name in messages. */
  readonly name: string;
  readonly path: string;
  /** 64 hex digits; when given, the file must have this SHA-256. */
  readonly sha256?: string;
}

/** Protobuf cannot hold more than 2 GiB in one message, so no larger `.onnx` file can be valid. */
export const MAX_MODEL_BYTES = 2 ** 31 - 1;

/**
 * Reads a model file and verifies it. The verified bytes are what is loaded: nothing reads the file a second time.
 *
 * The bytes lie in an `ArrayBuffer` of their own, so that the caller can give it up by `transfer(0)` as soon as the model
 * is loaded, instead of holding file-sized garbage until the next collection.
 *
 * @param maxBytes larger files are refused; default 2 GiB, the most that protobuf can hold.
 * @throws TuttiError `ModelNotFound` or `ModelInvalid`, naming the file.
 */
export async function readModelFile(
  file: ModelFile,
  maxBytes = MAX_MODEL_BYTES,
): Promise<Uint8Array<ArrayBuffer>> {
  const handle = await openModelFile(file.path, file.name);
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) {
      throw new TuttiError("ModelInvalid", `model ${file.name}: ${file.path} is not a file`);
    }
    if (stats.size > maxBytes) {
      throw new TuttiError(
        "ModelInvalid",
        `model ${file.name}: ${file.path} has ${stats.size} bytes, the limit is ${maxBytes}`,
      );
    }
    const bytes = new Uint8Array(stats.size);
    await fill(handle, bytes, file);
    if (file.sha256 !== undefined) verify(file, file.sha256, bytes);
    return bytes;
  } finally {
    await handle.close();
  }
}

const PIECE_BYTES = 128 * 1024;

/** The SHA-256 of a file as 64 hex digits, read in pieces: all into the same memory, since much that is new has V8 collect its whole heap. */
export async function hashModelFile(path: string): Promise<string> {
  const handle = await openModelFile(path, path);
  try {
    const hash = createHash("sha256");
    const piece = new Uint8Array(PIECE_BYTES);
    for (;;) {
      const { bytesRead } = await handle.read(piece, 0, PIECE_BYTES);
      if (bytesRead === 0) return hash.digest("hex");
      hash.update(bytesRead === PIECE_BYTES ? piece : piece.subarray(0, bytesRead));
    }
  } catch (error) {
    throw asFileError(error, path, path);
  } finally {
    await handle.close();
  }
}

async function openModelFile(path: string, name: string): Promise<FileHandle> {
  try {
    return await open(path, "r");
  } catch (error) {
    throw asFileError(error, path, name);
  }
}

async function fill(handle: FileHandle, bytes: Uint8Array, file: ModelFile): Promise<void> {
  let at = 0;
  while (at < bytes.length) {
    const { bytesRead } = await handle.read(bytes, at, bytes.length - at, at).catch((error: unknown) => {
      throw asFileError(error, file.path, file.name);
    });
    if (bytesRead === 0) {
      throw new TuttiError(
        "ModelInvalid",
        `model ${file.name}: ${file.path} became shorter while it was read`,
      );
    }
    at += bytesRead;
  }
}

function verify(file: ModelFile, expected: string, bytes: Uint8Array): void {
  const found = createHash("sha256").update(bytes).digest("hex");
  if (found === expected.toLowerCase()) return;
  throw new TuttiError(
    "ModelInvalid",
    `model ${file.name}: ${file.path} is not the expected file: expected sha256 ${expected}, found ${found}`,
  );
}

function asFileError(error: unknown, path: string, name: string): TuttiError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new TuttiError("ModelNotFound", `model ${name}: there is no file ${path}`, { cause: error });
  }
  return new TuttiError("ModelInvalid", `model ${name}: ${path} cannot be read: ${message}`, {
    cause: error,
  });
}
