import type { AdminOptions } from "../admin/admin-options.ts";
import type { Application } from "../api/application.ts";
import { checkKeys, oneOf } from "../config/check-options.ts";
import type { NodeOptions } from "../config/node-options.ts";
import type { RunnerEvent } from "../controller/slot.ts";
import type { ControllerEvent } from "../controller/version-port.ts";
import type { IngressOptions } from "../ingress/ingress-options.ts";
import { urlOf } from "./url-of.ts";

export interface ServeOptions {
  /** Address, port and limits of the HTTP edge. */
  readonly http?: IngressOptions;
  /** Lanes, spares and limits of the executors. */
  readonly node?: NodeOptions;
  /** Where the admin API listens. Default nowhere: `{}` for 127.0.0.1:8002. */
  readonly admin?: AdminOptions;
  /** `process` (default): models run in executors of their own. `inline`: everything runs in this process. */
  readonly models?: "process" | "inline";
  /** Default `warn`. */
  readonly logLevel?: "fatal" | "error" | "warn" | "info" | "debug";
}

export interface Served {
  /** Where the application answers, e.g. `http://127.0.0.1:8000/offers`. */
  readonly url: string;
  /** Where the admin API answers, e.g. `http://127.0.0.1:8002`; undefined without one. */
  readonly adminUrl: string | undefined;
  /** Takes no new requests, finishes those it has. Idempotent. */
  drain(): Promise<void>;
  /** Ends everything; call `drain` first to lose nothing. Idempotent. */
  close(): Promise<void>;
}

/** Something that somebody may have to look at. */
const isNews = (event: RunnerEvent | ControllerEvent): boolean =>
  "slot" in event ? event.type !== "filled" : event.type === "controller-failed";

/**
 * Runs an application inside a program: its classes in this process, its models in executors as usual. For a service
 * of its own `tutti run` does more: there user code can be restarted.
 *
 * @returns when it is ready.
 * @throws TuttiError `PortInUse`, `StartFailed`, `ModelInvalid`, `InvalidOptions` …; nothing is left running then.
 */
export async function serve(application: Application, options: ServeOptions = {}): Promise<Served> {
  checkKeys("serve", options, ["http", "node", "admin", "models", "logLevel"]);
  // Loaded when used: every code executor imports `tutti`, and none of them serves. It is most of what that would cost.
  const [{ default: pino }, { startNode }] = await Promise.all([import("pino"), import("./node.ts")]);
  const log = pino({ level: options.logLevel ?? "warn" }, pino.destination({ fd: 2, sync: false }));
  const node = await startNode({
    source: {
      kind: "inline",
      application,
      models: oneOf("serve: models", options.models, ["process", "inline"], "process"),
    },
    ...(options.http === undefined ? {} : { http: options.http }),
    ...(options.node === undefined ? {} : { node: options.node }),
    ...(options.admin === undefined ? {} : { admin: options.admin }),
    log,
    onEvent: (event) => (isNews(event) ? log.warn(event) : log.debug(event)),
    onOutput: (executor, stream, line) => log.info({ executor, stream }, line),
  });
  return {
    url: `${urlOf(node.address)}${application.route}`,
    adminUrl: node.admin === undefined ? undefined : urlOf(node.admin),
    drain: () => node.drain(),
    close: () => node.close(),
  };
}
