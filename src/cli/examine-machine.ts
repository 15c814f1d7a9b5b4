import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { availableParallelism, getPriority, tmpdir, totalmem } from "node:os";
import path from "node:path";
import { TuttiError } from "../errors/tutti-error.ts";
import { mayRaiseTo, ownFacts } from "../executor/may-raise.ts";
import { resolveIngressOptions } from "../ingress/ingress-options.ts";
import { loadOnnxRuntime } from "../onnx/load-onnx-runtime.ts";
import { type Finding, fail, ok } from "./finding.ts";
import {
  judgeCores,
  judgeMemory,
  judgeNode,
  judgeOpenFiles,
  judgePlatform,
  judgePort,
  judgePriority,
  judgeTemporaryFolder,
} from "./judge-machine.ts";

export interface Ports {
  readonly host: string;
  readonly port: number;
  readonly adminHost: string;
  readonly adminPort: number;
}

const MIB = 2 ** 20;

/** Looks at this machine as a node would find it, one thing after the other. */
export async function* examineMachine(ports: Ports): AsyncGenerator<Finding> {
  yield judgeNode(process.version);
  yield judgePlatform(process.platform, process.arch);
  yield judgeCores(availableParallelism(), await coreQuota());
  yield memory();
  yield openFiles();
  yield judgePriority(mayRaiseTo(getPriority(), ownFacts()));
  yield await temporaryFolder();
  yield await port("http port", ports.host, ports.port, "--port");
  yield await port("admin port", ports.adminHost, ports.adminPort, "--admin-port");
  yield await sqlite();
  yield await onnxRuntime();
}

/** Of the container, where there is one with a limit. */
async function coreQuota(): Promise<number | undefined> {
  try {
    const [quotaUs, periodUs] = (await readFile("/sys/fs/cgroup/cpu.max", "utf8"))
      .trim()
      .split(" ")
      .map(Number);
    const cores = Number(quotaUs) / Number(periodUs);
    return Number.isFinite(cores) ? Math.round(cores * 100) / 100 : undefined;
  } catch {
    // Another system, or another version of its interface: no limit that we know of.
    return undefined;
  }
}

function memory(): Finding {
  const constrained = process.constrainedMemory();
  // Without a limit the system says 0, or a number beyond all memory.
  const limit = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  return judgeMemory(limit / MIB, process.availableMemory() / MIB);
}

function openFiles(): Finding {
  // Looking up names of this machine's connections takes long. The types do not know of it.
  Object.assign(process.report, { excludeNetwork: true });
  const { userLimits } = process.report.getReport() as {
    readonly userLimits?: { readonly open_files?: { readonly soft: unknown; readonly hard: unknown } };
  };
  const limitOf = (value: unknown) => (typeof value === "number" ? value : Number.POSITIVE_INFINITY);
  const { soft, hard } = userLimits?.open_files ?? {};
  return judgeOpenFiles(limitOf(soft), limitOf(hard), resolveIngressOptions().maxConnections);
}

async function temporaryFolder(): Promise<Finding> {
  const folder = tmpdir();
  try {
    const made = await mkdtemp(path.join(folder, "tutti-doctor-"));
    await rm(made, { recursive: true });
    return judgeTemporaryFolder(folder, undefined);
  } catch (thrown) {
    return judgeTemporaryFolder(folder, codeOf(thrown));
  }
}

function port(check: string, host: string, number: number, flag: string): Promise<Finding> {
  const where = `${host}:${number}`;
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", (error) => resolve(judgePort(check, where, codeOf(error), flag)));
    server.listen({ host, port: number }, () =>
      server.close(() => resolve(judgePort(check, where, undefined, flag))),
    );
  });
}

async function sqlite(): Promise<Finding> {
  try {
    const { DatabaseSync } = await import("node:sqlite");
    new DatabaseSync(":memory:").close();
    return ok("sqlite", "the embedded feature store can be used");
  } catch (thrown) {
    return fail("sqlite", messageOf(thrown), "the embedded feature store needs a Node that has node:sqlite");
  }
}

async function onnxRuntime(): Promise<Finding> {
  const startedAtMs = performance.now();
  try {
    const { env } = await loadOnnxRuntime();
    const { node: version = "of an unknown version" } = env.versions;
    return ok("onnxruntime", `${version}, loaded in ${Math.round(performance.now() - startedAtMs)} ms`);
  } catch (thrown) {
    const advice =
      "install onnxruntime-node again, on this kind of machine (a folder copied from another has other binaries); on Alpine use an image with glibc";
    return fail("onnxruntime", messageOf(thrown), advice);
  }
}

const codeOf = (thrown: unknown): string =>
  thrown instanceof Error && "code" in thrown ? String(thrown.code) : messageOf(thrown);

const messageOf = (thrown: unknown): string => TuttiError.from(thrown, "Internal").message;
