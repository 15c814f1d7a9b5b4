import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { CACHE, EXAMPLE, REPOSITORY } from "../reference/paths.ts";
import { commonEnvironment, type SystemDescription } from "../systems/system.ts";
import { TUTTI_CLI, TUTTI_NODE_FLAGS } from "../systems/typescript.ts";

export const ROLLOUT_APP = `${EXAMPLE}app.ts`;
const FOLDER = `${CACHE}rollout/`;
const CONFIG = `${FOLDER}tutti.yaml`;

/** Dynamic Offers as a deployed application, whose version can be changed while it runs. Begins with nothing stored. */
export function rolloutSystem(adminPort: number): SystemDescription {
  return {
    name: "tutti",
    configuration: "tutti start, with examples/dynamic-offers/app.ts deployed",
    missing: () => undefined,
    command: (setting) => {
      rmSync(FOLDER, { recursive: true, force: true });
      mkdirSync(FOLDER, { recursive: true });
      writeFileSync(
        CONFIG,
        `applications:\n  - name: offers\n    module: ${ROLLOUT_APP}\n    version: u0\nmodulesDir: ${REPOSITORY}\n`,
      );
      return {
        file: process.execPath,
        args: [
          ...TUTTI_NODE_FLAGS,
          TUTTI_CLI,
          "start",
          "--config",
          CONFIG,
          "--state-dir",
          `${FOLDER}state`,
          "--port",
          String(setting.port),
          "--admin-port",
          String(adminPort),
        ],
        environment: commonEnvironment(setting),
      };
    },
    readyPath: "/readyz",
  };
}
