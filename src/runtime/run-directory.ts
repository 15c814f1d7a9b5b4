import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

const PREFIX = "tutti-";
const NAME = /^tutti-(\d+)-\w{6}$/;
const ADDRESSES = "addresses.json";

/** Where a node listens, as URLs. */
export interface NodeAddresses {
  readonly edge: string;
  /** Absent without an admin API. */
  readonly admin?: string;
}

/**
 * A directory of this node's own, which only this user can enter: the executors' sockets and what is made of its models
 * are in it. Its name holds the process's id, so that what a killed node left behind is known and removed by the next.
 */
export async function createRunDirectory(): Promise<string> {
  await removeLeftovers();
  const directory = await mkdtemp(path.join(tmpdir(), `${PREFIX}${process.pid}-`));
  await chmod(directory, 0o700);
  return directory;
}

/** Tells this user's commands where the node listens: whatever port it was given, or has chosen. */
export async function noteAddresses(directory: string, addresses: NodeAddresses): Promise<void> {
  await writeFile(path.join(directory, ADDRESSES), JSON.stringify(addresses), { mode: 0o600 });
}

/**
 * Nodes that run here and are this user's. What another user has put there is not believed: a token would be sent where
 * it says.
 */
export async function findNodes(): Promise<readonly NodeAddresses[]> {
  const found: NodeAddresses[] = [];
  for (const name of await readdir(tmpdir())) {
    const pid = Number(NAME.exec(name)?.[1]);
    if (!Number.isInteger(pid) || !isAlive(pid)) continue;
    const addresses = await readAddresses(path.join(tmpdir(), name));
    if (addresses !== undefined) found.push(addresses);
  }
  return found;
}

async function readAddresses(directory: string): Promise<NodeAddresses | undefined> {
  try {
    const { uid } = await stat(directory);
    if (uid !== process.getuid?.()) return undefined;
    return JSON.parse(await readFile(path.join(directory, ADDRESSES), "utf8"));
  } catch {
    // It is not that far yet, or has just ended.
    return undefined;
  }
}

async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(NAME.exec(name)?.[1]);
    if (!Number.isInteger(pid) || isAlive(pid)) continue;
    // Another user's cannot be removed, and another node may be at it too: neither is a reason not to start.
    await rm(path.join(tmpdir(), name), { recursive: true, force: true }).catch(() => {});
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "EPERM";
  }
}
