import { flaskBest, flaskStory } from "./flask.ts";
import type { SystemDescription, SystemName } from "./system.ts";
import { legacyTs, onnxBestTs, onnxMicrobatchTs, tutti, tuttiBaseline } from "./typescript.ts";

/** In the order of the tables; `flask-story` is first because other figures are taken at its highest rate. */
export const SYSTEMS: readonly SystemDescription[] = [
  flaskStory,
  flaskBest,
  legacyTs,
  onnxBestTs,
  onnxMicrobatchTs,
  tutti,
  tuttiBaseline,
];

export function systemNamed(name: string): SystemDescription | undefined {
  return SYSTEMS.find((system) => system.name === name);
}

export function isSystemName(name: string): name is SystemName {
  return systemNamed(name) !== undefined;
}
