import { type Finding, fail, ok, warn } from "./finding.ts";

/** What each fact of the machine means for a node, and what to do about it. Pure. */

const OLDEST_NODE = { major: 22, minor: 18 };
/** What a node with 15 small models takes, and what it takes to be at ease. */
const LEAST_MEMORY_MB = 384;
const ENOUGH_MEMORY_MB = 1024;
/** Beside clients' connections: sockets between processes, models, stores, logs. */
const OTHER_FILES = 256;
/** Bytes of a socket's path, its end included, on the system that allows the fewest. */
const MAX_SOCKET_PATH_BYTES = 104;

export function judgeNode(version: string): Finding {
  const [major = 0, minor = 0] = version.replace(/^v/, "").split(".").map(Number);
  const isEnough = major > OLDEST_NODE.major || (major === OLDEST_NODE.major && minor >= OLDEST_NODE.minor);
  if (isEnough) return ok("node", `Node ${version}`);
  return fail(
    "node",
    `Node ${version} cannot run TypeScript as it is`,
    `install Node ${OLDEST_NODE.major}.${OLDEST_NODE.minor} or newer`,
  );
}

export function judgePlatform(platform: string, arch: string): Finding {
  const found = `${platform} ${arch}`;
  if (platform === "linux" || platform === "darwin") return ok("platform", found);
  return fail(
    "platform",
    found,
    "executors talk over unix sockets: run it on Linux or macOS, or in a container",
  );
}

/** @param quota cores that a container may use; undefined without a limit. */
export function judgeCores(available: number, quota: number | undefined): Finding {
  if (quota !== undefined && quota < available) {
    const lanes = Math.max(1, Math.floor(quota));
    const found = `${available} cores are seen, ${quota} may be used`;
    return warn("cores", found, `a lane for each core seen would be too many: run with --lanes ${lanes}`);
  }
  if (available > 1) return ok("cores", `${available}`);
  return warn("cores", "1", "edge, classes and models take turns on it: give it two or more");
}

export function judgeMemory(limitMb: number, availableMb: number): Finding {
  const found = `${Math.round(availableMb)} MB available of ${Math.round(limitMb)} MB`;
  if (availableMb < LEAST_MEMORY_MB) {
    return fail(
      "memory",
      found,
      `a node takes about ${LEAST_MEMORY_MB} MB with small models: make room for that`,
    );
  }
  if (availableMb < ENOUGH_MEMORY_MB) {
    return warn(
      "memory",
      found,
      "watch tutti_process_resident_bytes, and set --executor-memory-limit-mb accordingly",
    );
  }
  return ok("memory", found);
}

export function judgeOpenFiles(soft: number, hard: number, maxConnections: number): Finding {
  const wanted = maxConnections + OTHER_FILES;
  const shown = (limit: number) => (Number.isFinite(limit) ? String(limit) : "no limit");
  const found = `${shown(soft)}, up to ${shown(hard)} if asked for`;
  if (soft >= wanted) return ok("open files", found);
  const advice =
    hard >= wanted
      ? `raise it where the node is started: ulimit -n ${wanted}`
      : `have the system's limit raised to ${wanted}, or lower the edge's maxConnections`;
  return warn("open files", found, `${maxConnections} clients may connect: ${advice}`);
}

/** @param mayRaise whether a process that was started in the background can be brought back from there. */
export function judgePriority(mayRaise: boolean): Finding {
  if (mayRaise) return ok("priority", "what is started can wait for what serves");
  return warn(
    "priority",
    "this user may not raise a priority again: what is started takes processor time from what serves",
    "have a limit of 20 set for it (ulimit -e 20; systemd: LimitNICE=+0), or give it CAP_SYS_NICE",
  );
}

export function judgeTemporaryFolder(folder: string, failure: string | undefined): Finding {
  if (failure !== undefined) {
    return fail(
      "temporary folder",
      `${folder}: ${failure}`,
      "sockets are made there: set TMPDIR to a folder that can be written to",
    );
  }
  const bytes = Buffer.byteLength(`${folder}/tutti-4194304-XXXXXX/x9999.sock`) + 1;
  if (bytes <= MAX_SOCKET_PATH_BYTES) return ok("temporary folder", folder);
  return fail(
    "temporary folder",
    `${folder} is too long for the path of a socket`,
    "set TMPDIR to a folder with a shorter path, such as /tmp",
  );
}

/** @param failure undefined when it could be listened on. */
export function judgePort(check: string, where: string, failure: string | undefined, flag: string): Finding {
  if (failure === undefined) return ok(check, `${where} is free`);
  if (failure === "EADDRINUSE")
    return fail(check, `${where} is in use`, `end what listens there, or choose another with ${flag}`);
  if (failure === "EACCES")
    return fail(check, `${where} is for privileged users`, `choose one above 1023 with ${flag}`);
  return fail(
    check,
    `${where}: ${failure}`,
    `choose an address of this machine, and another port with ${flag}`,
  );
}
