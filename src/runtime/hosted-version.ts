import type { VersionRunner } from "../controller/version-runner.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { Router } from "../router/router.ts";
import { EdgeTarget } from "./edge-target.ts";

/** A version as the node hosts it: what runs it, and who calls it. */
export class HostedVersion {
  readonly runner: VersionRunner;
  readonly router: Router;
  #target: EdgeTarget | undefined;

  constructor(runner: VersionRunner, router: Router) {
    this.runner = runner;
    this.router = router;
  }

  /** Takes its requests: one object from its start to its end. @throws TuttiError `NotRunning` before its module has been read. */
  get target(): EdgeTarget {
    const { graph } = this.runner;
    if (graph === undefined) throw new TuttiError("NotRunning", "the version has not been read yet");
    this.#target ??= new EdgeTarget(this.router, graph);
    return this.#target;
  }
}
