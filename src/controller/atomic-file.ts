import { type FileHandle, open, rename, rm } from "node:fs/promises";
import path from "node:path";

/** What is asked of the file system; tests make it fail. */
export interface FileCalls {
  open(path: string, flags: string, mode?: number): Promise<Pick<FileHandle, "writeFile" | "sync" | "close">>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
}

export const systemFiles: FileCalls = {
  open,
  rename,
  remove: (file) => rm(file, { force: true }),
};

/**
 * Replaces a file's contents whole: whoever reads it, and whatever ends this process or the machine, there are the old
 * bytes or the new ones.
 *
 * The bytes are on the disk before the name points to them, and the name is before this resolves.
 */
export async function replaceFile(
  file: string,
  bytes: Uint8Array,
  files: FileCalls = systemFiles,
): Promise<void> {
  const next = `${file}.next`;
  // What a killed process left behind; nobody else writes here (the caller has the directory's lock).
  await files.remove(next);
  try {
    await withHandle(files, next, "wx", async (handle) => {
      await handle.writeFile(bytes);
      await handle.sync();
    });
    await files.rename(next, file);
  } catch (thrown) {
    await files.remove(next).catch(() => {});
    throw thrown;
  }
  await withHandle(files, path.dirname(file), "r", (directory) => directory.sync());
}

async function withHandle(
  files: FileCalls,
  file: string,
  flags: string,
  use: (handle: Awaited<ReturnType<FileCalls["open"]>>) => Promise<void>,
): Promise<void> {
  // Only this user may read it: `args` and `userConfig` may hold what others are not to know.
  const handle = await files.open(file, flags, 0o600);
  try {
    await use(handle);
  } finally {
    await handle.close();
  }
}
