import type { Application } from "../api/application.ts";
import { Controller } from "../controller/controller.ts";
import { Ingress } from "../ingress/ingress.ts";
import { EventLog } from "../observe/event-log.ts";
import { RequestRecorder } from "../observe/request-recorder.ts";
import { deriveSeed, seededRandom } from "../policy/seeded-random.ts";
import type { HostedVersion } from "../runtime/hosted-version.ts";
import { NodeObserver } from "../runtime/node-observer.ts";
import { openSource } from "../runtime/node-source.ts";
import { notServedTarget } from "../runtime/not-served-target.ts";
import { SlotHistory } from "../runtime/slot-history.ts";
import { VersionHost } from "../runtime/version-host.ts";
import { keepHealthy, wireNode } from "../runtime/wire-node.ts";
import { SimulatedClient } from "./simulated-client.ts";
import { SimulatedLauncher } from "./simulated-launcher.ts";
import { resolveSimulationOptions, type SimulationOptions } from "./simulation-options.ts";
import { useVirtualGlobals } from "./virtual-globals.ts";
import { VirtualTime } from "./virtual-time.ts";
import { World } from "./world.ts";
import { WorldRecord } from "./world-record.ts";

/** A process that has not said hello by then is taken for dead. */
const START_TIMEOUT_MS = 30_000;

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/**
 * Runs an application, whole, in this process and on virtual time: the node and each executor as a virtual process of its
 * own, joined by connections in memory; everything else is what production runs.
 *
 * @returns when it is ready.
 * @throws TuttiError `InvalidOptions`, or what keeps the application from starting.
 */
export async function simulate(application: Application, options: SimulationOptions = {}): Promise<World> {
  const { seed, modelOf, node: nodeOptions, http, startUpMs } = resolveSimulationOptions(options);
  const putGlobalsBack = useVirtualGlobals();
  const time = new VirtualTime(seed);
  const node = time.process("node");
  const outside = time.process("outside");
  const record = new WorldRecord(time);
  const launcher = new SimulatedLauncher({
    time,
    node,
    seed,
    application,
    modelOf,
    startUpMs,
    startTimeoutMs: START_TIMEOUT_MS,
    watchReplica: ({ id }, spec) => record.watchReplica(id, spec),
    onRun: ({ id }, run) => record.onRun(id, run),
  });
  const history = new SlotHistory();
  const { fleet, routers, runner, openRouter } = wireNode({
    platform: { launcher, clock: node, random: seededRandom(deriveSeed(seed, "node")) },
    options: nodeOptions,
    onEvent: (event) => {
      history.note(event);
      record.onEvent(event);
    },
  });
  const source = await openSource({ kind: "module", path: "the application" });
  const recorder = new RequestRecorder(seededRandom(deriveSeed(seed, "recorder")));
  const ingress = new Ingress({
    options: http,
    target: notServedTarget(() => controller.readiness()),
    log: SILENT,
    recorder,
    clock: node,
    calls: routers.counters,
    random: seededRandom(deriveSeed(seed, "edge")),
  });
  const controller: Controller<HostedVersion> = new Controller<HostedVersion>({
    ...source,
    port: new VersionHost({ runner, routers, openRouter, ingress }),
    limits: { maxStarts: 1, drainMs: nodeOptions.drainTimeoutMs },
    onEvent: () => {},
    clock: node,
    random: seededRandom(deriveSeed(seed, "controller")),
  });
  const observer = new NodeObserver({
    runner,
    controller,
    recorder,
    router: routers,
    history,
    events: new EventLog(() => node.now()),
    ingress: () => ingress.counts(),
    routes: () => ingress.routeCounts(),
    readiness: () => controller.readiness(),
    clock: node,
  });
  const close = async () => {
    void controller.stop();
    await ingress.close();
    routers.closeAll();
    await fleet.close();
    time.end();
    putGlobalsBack();
  };
  try {
    const connect = await ingress.startInMemory();
    await node.run(() => fleet.start());
    node.run(() => keepHealthy(runner, node));
    node.run(() => fleet.prestart(nodeOptions.lanes + nodeOptions.codeExecutors));
    await time.settle(node.run(() => controller.start().then(() => controller.started)));
    node.run(() => fleet.keepSpares());
    const client = new SimulatedClient(outside, (connection) => node.run(() => connect(connection)));
    return new World({
      seed,
      time,
      node,
      outside,
      launcher,
      routers,
      router: controller.serving()[0]!.router,
      runner,
      observer,
      client,
      record,
      close,
    });
  } catch (thrown) {
    await close();
    throw thrown;
  }
}
