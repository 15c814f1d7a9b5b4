import { readdirSync, readFileSync } from "node:fs";

/** Ticks of `/proc/<pid>/stat` in a second; 100 on every Linux that Node runs on (USER_HZ is part of its ABI). */
const TICKS_PER_SECOND = 100;

export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  /** A zombie: ended, not yet waited for by its parent. */
  readonly ended: boolean;
  /** utime + stime of the process and of its children that have ended and were waited for. */
  readonly cpuSeconds: number;
}

/** Parses `/proc/<pid>/stat`; the name in brackets may itself hold spaces and brackets. */
export function parseStat(text: string): ProcessStat | undefined {
  const open = text.indexOf("(");
  const close = text.lastIndexOf(")");
  if (open < 0 || close < 0) return undefined;
  const fields = text.slice(close + 2).split(" ");
  const field = (oneBased: number): number => Number(fields[oneBased - 3]);
  const ticks = field(14) + field(15) + field(16) + field(17);
  const stat: ProcessStat = {
    pid: Number(text.slice(0, open)),
    parent: field(4),
    session: field(6),
    ended: fields[0] === "Z" || fields[0] === "X",
    cpuSeconds: ticks / TICKS_PER_SECOND,
  };
  return Number.isFinite(stat.pid + stat.parent + stat.session + ticks) ? stat : undefined;
}

/**
 * Processes of the system that was started as `root`: its descendants, and whoever is in its session (`root` was
 * started as the leader of one), which also finds those whose parent has gone.
 */
export function selectTree(all: readonly ProcessStat[], root: number): ProcessStat[] {
  const members = new Set([root]);
  for (let grew = true; grew; ) {
    grew = false;
    for (const { pid, parent, session } of all) {
      if (members.has(pid) || !(members.has(parent) || session === root)) continue;
      members.add(pid);
      grew = true;
    }
  }
  return all.filter(({ pid }) => members.has(pid));
}

export function processTree(root: number): ProcessStat[] {
  const all: ProcessStat[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const text = readIfThere(`/proc/${name}/stat`);
    const stat = text === undefined ? undefined : parseStat(text);
    if (stat !== undefined) all.push(stat);
  }
  return selectTree(all, root);
}

/** CPU time of all processes of the tree since they began, ended children included. */
export function treeCpuSeconds(root: number): number {
  return processTree(root).reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
}

/** CPU time of everything on the machine since it was started, idle time aside. */
export function machineCpuSeconds(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (readIfThere("/proc/stat") ?? "")
    .slice("cpu ".length, 200)
    .split("\n")[0]!
    .trim()
    .split(/ +/)
    .map(Number);
  return (user + nice + system + irq + softirq) / TICKS_PER_SECOND;
}

/** Proportional set size of all processes of the tree, in MB of 1024 x 1024 bytes. */
export function treePssMb(root: number): number {
  let kilobytes = 0;
  for (const { pid } of processTree(root)) {
    const rollup = readIfThere(`/proc/${pid}/smaps_rollup`);
    kilobytes += Number(/^Pss:\s+(\d+) kB$/m.exec(rollup ?? "")?.[1] ?? 0);
  }
  return kilobytes / 1024;
}

/** A process may end between being listed and being read. */
function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
