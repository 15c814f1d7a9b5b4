import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Every process started by one test run carries this variable, whoever its parent is by now. */
export const MARK = "TUTTI_TEST_RUN";

/** Processes (zombies aside) that carry the mark, found in /proc: also those that lost their parent. */
export function markedPids(mark: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter(
      (pid) => isRunning(pid) && readText(`/proc/${pid}/environ`).split("\0").includes(`${MARK}=${mark}`),
    );
}

/** False for a process that has ended, also when nobody has asked for its exit code yet. */
export function isRunning(pid: number): boolean {
  const state = /^State:\s+(\w)/m.exec(readText(`/proc/${pid}/status`))?.[1];
  return state !== undefined && state !== "Z" && state !== "X";
}

export const commandOf = (pid: number): string => readText(`/proc/${pid}/cmdline`).replaceAll("\0", " ");

export type ExecutorKind = "lane" | "code" | "spare";

export interface SeenExecutor {
  readonly pid: number;
  /** Such as `x3`. */
  readonly id: string;
}

/** The executors among these processes that have got so far as to listen on their socket. */
export function listeningExecutors(pids: readonly number[], socketFolder: string): SeenExecutor[] {
  return pids.flatMap((pid) => {
    const id = /^tutti (x\d+)$/.exec(readText(`/proc/${pid}/comm`).trim())?.[1];
    return id !== undefined && existsSync(`${socketFolder}/${id}.sock`) ? [{ pid, id }] : [];
  });
}

/**
 * What an executor is, seen from outside: nobody calls a spare, and of the others only code executors have the
 * application's files open.
 *
 * @param openFile a file that every code executor of the application keeps open.
 */
export function kindOf({ pid, id }: SeenExecutor, socketFolder: string, openFile: string): ExecutorKind {
  if (openFiles(pid).includes(openFile)) return "code";
  return connectionsTo(`${socketFolder}/${id}.sock`) > 0 ? "lane" : "spare";
}

function openFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).map((fd) => readLink(`/proc/${pid}/fd/${fd}`));
}

const CONNECTED = "03";

function connectionsTo(socket: string): number {
  return readText("/proc/net/unix")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[5] === CONNECTED && columns[7] === socket).length;
}

/** Empty when it is gone, or was never ours to read. */
function readText(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}

function readLink(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return "";
  }
}
