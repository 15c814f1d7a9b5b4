import { CACHE } from "../reference/paths.ts";
import type { SystemDescription } from "../systems/system.ts";
import { tuttiRunning } from "../systems/typescript.ts";
import { ARM_VARIABLE, type Arm } from "./arm.ts";
import { faultyEnvironment } from "./fault.ts";

export const FAULT_FOLDER = `${CACHE}faults`;

/** Dynamic Offers in one arm, its processes ready to be made faulty. */
export function stragglersSystem(arm: Arm, adminPort: number): SystemDescription {
  const system = tuttiRunning(`${import.meta.dirname}/app.ts`, adminPort);
  return {
    ...system,
    configuration: `tutti run bench/stragglers/app.ts, with what is done about stragglers ${arm}`,
    command: (setting) => {
      const { file, args, environment } = system.command(setting);
      return {
        file,
        args,
        environment: { ...environment, ...faultyEnvironment(FAULT_FOLDER), [ARM_VARIABLE]: arm },
      };
    },
  };
}
