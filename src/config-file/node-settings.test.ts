import path from "node:path";
import { describe, expect, it } from "vitest";
import { parseConfigFile } from "./config-file.ts";
import { environmentSettings } from "./environment-settings.ts";
import { layerSettings, type NodeSettings } from "./node-settings.ts";

const flags: NodeSettings = {
  http: { port: 1, admission: { maxQueueMs: 10 } },
  admin: {},
  node: { lanes: 1 },
};

const { settings: file } = parseConfigFile(
  `
http: { host: file, port: 3, maxBodyBytes: 30, admission: { maxQueueMs: 30, holdMs: 30 } }
admin: { host: file, port: 3, tokenFile: token }
node: { lanes: 3, spares: 3 }
stateDir: file
modulesDir: file
`,
  "/srv/tutti.yaml",
);

describe("settings of a node", () => {
  it("are what the command line says, then the environment, then the file, option by option", () => {
    const environment = environmentSettings({
      TUTTI_HOST: "environment",
      TUTTI_PORT: "2",
      TUTTI_ADMIN_PORT: "2",
      TUTTI_STATE_DIR: "/environment",
    });
    expect(layerSettings(flags, environment, file)).toEqual({
      http: { host: "environment", port: 1, maxBodyBytes: 30, admission: { maxQueueMs: 10, holdMs: 30 } },
      admin: { host: "file", port: 2, tokenFile: "/srv/token" },
      node: { lanes: 1, spares: 3 },
      stateDir: "/environment",
      modulesDir: "/srv/file",
    });
  });

  it("are those of one source alone when it is the only one that says something", () => {
    const nothing = environmentSettings({});
    expect(layerSettings(nothing, file)).toEqual(file);
    expect(layerSettings(flags, nothing)).toEqual(flags);
    expect(layerSettings(nothing, nothing)).toEqual({ http: {}, admin: {}, node: {} });
  });
});

describe("the environment", () => {
  it("names directories from the current one", () => {
    expect(environmentSettings({ TUTTI_MODULES_DIR: "modules" }).modulesDir).toBe(path.resolve("modules"));
  });

  it.each(["", "8000x", "-1", "65536", "8e3", " 80"])(
    "is told that %j is no port, by the variable's name",
    (text) => {
      expect(() => environmentSettings({ TUTTI_ADMIN_PORT: text })).toThrow(
        /^TUTTI_ADMIN_PORT: expected a port/,
      );
    },
  );
});
