import type { Application } from "../api/application.ts";
import type { Router } from "../router/router.ts";
import type { ControlAnswers, ControlRequest, ExecutorStatus } from "./control-messages.ts";
import type { Executor } from "./executor.ts";
import { ExecutorHost } from "./executor-host.ts";
import { LocalLink } from "./local-link.ts";
import type { ModelLoader } from "./model-loader.ts";

/**
 * An executor in this very process, for tests and for programs that embed an application: no process border, and so
 * no restart, no rollouts, and no protection from code that blocks.
 */
export class InlineExecutor implements Executor {
  readonly id: string;
  readonly socketPath = "";
  readonly pid = process.pid;
  readonly link: LocalLink;
  readonly #host: ExecutorHost;
  #ended = false;

  constructor(id: string, application: Application, router: Router, models: ModelLoader) {
    this.id = id;
    // The application is here already: there is nothing to import.
    this.#host = new ExecutorHost({ router, models, importApplication: async () => application });
    this.link = new LocalLink((target) => this.#host.replicas.get(target), router.clock, router.counters);
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  get status(): ExecutorStatus {
    return this.#host.status();
  }

  async order<R extends ControlRequest>(request: R): Promise<ControlAnswers[R["type"]]> {
    const answer = await this.#host.control(request);
    // The answer's type follows from the request's: both are fixed in `ControlAnswers`.
    return answer as ControlAnswers[R["type"]];
  }

  bringToFront(): void {}

  putInBackground(): void {}

  kill(): void {
    this.#ended = true;
    this.link.close();
  }
}
