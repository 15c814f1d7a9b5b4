import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

const PREFIX = "tutti-";

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

async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(/^tutti-(\d+)-\w{6}$/.exec(name)?.[1]);
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
