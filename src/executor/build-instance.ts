import { type Binding, type ClassBinding, mapBindings, streamsOf } from "../api/binding.ts";
import type { CallPort } from "../api/call-port.ts";
import { createHandle } from "../api/handle-proxy.ts";
import { TuttiError } from "../errors/tutti-error.ts";

interface BuildableClass {
  new (...args: readonly unknown[]): object;
  create?(...args: readonly unknown[]): Promise<object> | object;
}

/**
 * Builds one instance of a bound class: handles in place of bound deployments, `static create` before the constructor,
 * then `reconfigure(userConfig)`.
 *
 * @throws TuttiError `StartFailed` with what the class threw.
 */
export async function buildInstance(
  binding: ClassBinding,
  userConfig: unknown,
  port: CallPort,
  applicationVersion: string,
): Promise<object> {
  const toHandle = (used: Binding) =>
    createHandle<unknown>({
      deployment: used.name,
      port,
      options: {},
      version: applicationVersion,
      streams: streamsOf(used),
    });
  const args = binding.args.map((arg) => mapBindings(arg, toHandle));
  const { name } = binding;
  // `bind` checked the arguments against the class's own parameters; here they are only handed on.
  const deployedClass = binding.deployedClass as unknown as BuildableClass;
  try {
    const instance =
      deployedClass.create === undefined ? new deployedClass(...args) : await deployedClass.create(...args);
    const { reconfigure } = instance as { reconfigure?: (userConfig: unknown) => unknown };
    if (userConfig !== undefined) {
      if (reconfigure === undefined) {
        throw new TuttiError("InvalidOptions", "it has a userConfig, but no method reconfigure(userConfig)");
      }
      await reconfigure.call(instance, userConfig);
    }
    return instance;
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    throw new TuttiError("StartFailed", `${name} could not be built: ${message}`, {
      cause: thrown,
      started: "no",
    });
  }
}
