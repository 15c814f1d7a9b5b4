import path from "node:path";

/**
 * Relative paths in an application module are relative to that module. Its loader says which one that is before
 * importing it; a program that embeds an application is its own main module.
 */
let applicationDirectory: string | undefined;

export function setApplicationDirectory(directory: string): void {
  applicationDirectory = directory;
}

export function resolveApplicationPath(relative: string): string {
  const main = process.argv[1];
  return path.resolve(
    applicationDirectory ?? (main === undefined ? process.cwd() : path.dirname(main)),
    relative,
  );
}
