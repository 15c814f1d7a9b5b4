import { rmSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { HttpClient } from "../support/http-client.ts";
import { writeModelVersion } from "../support/model-version.ts";
import { TempFolder } from "../support/temp-folder.ts";
import { TuttiProcess } from "../support/tutti-process.ts";
import { waitFor } from "../support/wait-for.ts";

/** It has a model of a repository, whose newest version it takes as it is imported. */
const WITH_MODEL = `
import { application, deployment, modelRepository } from "tutti";
class Asker {
  constructor(models) { this.models = models; }
  get() { return { pid: process.pid }; }
}
const models = modelRepository(new URL("models", import.meta.url).pathname);
export default application({ name: "asker", ingress: deployment(Asker).bind(models), http: { "GET /": "get" } });
`;

const APP = `
import { application, deployment } from "tutti";
import { greeting } from "./greeting.js";
class Greeter {
  get() { return { greeting, pid: process.pid }; }
}
export default application({ name: "greeter", ingress: deployment(Greeter).bind(), http: { "GET /": "get" } });
`;

describe("a version's code that is edited while the version runs", () => {
  it("reaches no executor of it, not those either that are started after a crash (D9)", async () => {
    using folder = TempFolder.withTutti();
    folder.write("greeting.js", 'export const greeting = "hello";\n');
    const module = folder.write("app.js", APP);
    await using node = await TuttiProcess.ready(module, {
      args: ["--port", "0", "--lanes", "1", "--code-executors", "1"],
    });
    using client = new HttpClient(node.port);
    const ask = async () => (await client.get("/")).json;
    const { pid } = await ask();
    folder.write("greeting.js", 'export const greeting = "edited";\n');
    process.kill(pid, "SIGKILL");
    await waitFor(async () => typeof (await ask()).pid === "number" && (await ask()).pid !== pid, {
      what: "another executor to answer",
    });
    expect((await ask()).greeting).toBe("hello");
    rmSync(folder.at("greeting.js"));
    folder.write("app.js", "what is no module at all\n");
    const second = (await ask()).pid;
    process.kill(second, "SIGKILL");
    await waitFor(async () => typeof (await ask()).pid === "number" && (await ask()).pid !== second, {
      what: "a third one to answer",
    });
    expect((await ask()).greeting).toBe("hello");
    await node.stopped();
  });

  it("comes back after a crash also where a newer version of its model has come meanwhile", async () => {
    using folder = TempFolder.withTutti();
    const writeVersion = (version: number) => writeModelVersion(folder.at("models"), version);
    writeVersion(1);
    await using node = await TuttiProcess.ready(folder.write("app.js", WITH_MODEL), {
      args: ["--port", "0", "--lanes", "1", "--code-executors", "1"],
    });
    using client = new HttpClient(node.port);
    const pid = async (): Promise<unknown> => (await client.get("/")).json.pid;
    const before = await pid();
    writeVersion(2);
    process.kill(Number(before), "SIGKILL");
    await waitFor(async () => ![before, undefined].includes((await pid()) as number), {
      what: "another executor to answer",
    });
    await node.stopped();
  });
});
