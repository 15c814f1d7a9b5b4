import { existsSync, readdirSync } from "node:fs";
import { EXAMPLE } from "../reference/paths.ts";
import { commonEnvironment, type SystemDescription, type SystemSetting } from "./system.ts";

const RUN = `${EXAMPLE}legacy/flask/run.sh`;

function flask(
  variant: "story" | "best",
  configuration: string,
  missingFiles: (setting: SystemSetting) => string | undefined,
): SystemDescription {
  return {
    name: `flask-${variant}`,
    configuration,
    missing: (setting) => {
      if (!existsSync(RUN)) return "examples/dynamic-offers/legacy/flask is not there";
      return missingFiles(setting);
    },
    command: (setting) => ({
      file: RUN,
      args: [variant, String(setting.port), String(setting.processes), setting.modelsDir, setting.playersDb],
      environment: commonEnvironment(setting),
    }),
  };
}

export const flaskStory = flask(
  "story",
  "Flask, gunicorn with 2 synchronous workers, the training library's own prediction, models one after the other",
  ({ family, modelsDir }) => {
    // The dense family exists as ONNX only; there the story's server runs ONNX Runtime.
    const complete = readdirSync(modelsDir, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .every((entry) => existsSync(`${modelsDir}/${entry.name}/1/model.ubj`));
    return family === "dense" || complete
      ? undefined
      : "XGBoost's own files (model.ubj) are not there: examples/dynamic-offers/training/train.sh --only tower/v1";
  },
);

export const flaskBest = flask(
  "best",
  "Flask, gunicorn with 2 threaded workers, ONNX Runtime, math threads pinned to 1",
  () => undefined,
);
