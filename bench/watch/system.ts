import type { SystemDescription } from "../systems/system.ts";
import { tuttiRunning } from "../systems/typescript.ts";

/** An application that is served as its files are, whatever they become. */
export function watchSystem(app: string, adminPort: number): SystemDescription {
  const system = tuttiRunning(app, adminPort);
  return {
    ...system,
    configuration: "tutti run --watch, of a copy of examples/dynamic-offers",
    command: (setting) => {
      const { file, args, environment } = system.command(setting);
      return { file, args: [...args, "--watch"], environment };
    },
  };
}
