import { describe, expect, it } from "vitest";
import { writeShop } from "../node/shop.ts";
import { identityModel, writeModel } from "../onnx/model-proto.ts";
import { HttpClient } from "../support/http-client.ts";
import { writeModelVersion } from "../support/model-version.ts";
import { TempFolder } from "../support/temp-folder.ts";
import { TuttiProcess } from "../support/tutti-process.ts";
import { waitFor } from "../support/wait-for.ts";

const GREETING = `
import { application, deployment } from "tutti";
import { greeting } from "./greeting.js";
class Greeter {
  get() { return { greeting }; }
}
export default application({ name: "greeter", ingress: deployment(Greeter).bind(), http: { "GET /": "get" } });
`;

/** Answers by how many columns its model has: the number of its version. */
const WIDTH = `
import { application, deployment, modelRepository, Tensor } from "tutti";
class Width {
  #models;
  constructor(models) { this.#models = models; }
  async get() {
    for (let width = 1; ; width++) {
      try {
        await this.#models[0].predict(new Tensor("float32", new Float32Array(width), [1, width]));
        return { width };
      } catch (error) {
        if (width === 9) throw error;
      }
    }
  }
}
export default application({
  name: "width",
  ingress: deployment(Width).bind(modelRepository("models")),
  http: { "GET /": "get" },
});
`;

const WATCH = ["--port", "0", "--lanes", "1", "--code-executors", "1", "--watch"];

describe("tutti run --watch", () => {
  it("serves what has changed, also in what the module imports, and loses no request meanwhile", async () => {
    using folder = TempFolder.withTutti();
    const greet = (text: string) =>
      folder.write("greeting.js", `export const greeting = ${JSON.stringify(text)};\n`);
    greet("hello");
    await using node = await TuttiProcess.ready(folder.write("app.js", GREETING), { args: WATCH });
    using client = new HttpClient(node.port);
    await waitFor(() => node.stderr.includes("watching 2 files"), { what: "it to watch" });
    const greeting = async () => {
      const answer = await client.get("/");
      expect(answer.status).toBe(200);
      return answer.json.greeting;
    };
    expect(await greeting()).toBe("hello");
    greet("good day");
    await waitFor(async () => (await greeting()) === "good day", { what: "the change" });
    await waitFor(() => /the change is served, after \d+ ms/.test(node.stderr), { what: "it to be told" });
    greet("good night");
    await waitFor(async () => (await greeting()) === "good night", { what: "the next change" });
    await node.stopped();
  });

  it("goes on with what it serves where the change cannot be loaded, says why, and takes the next one", async () => {
    using folder = TempFolder.withTutti();
    folder.write("greeting.js", 'export const greeting = "hello";\n');
    await using node = await TuttiProcess.ready(folder.write("app.js", GREETING), { args: WATCH });
    using client = new HttpClient(node.port);
    await waitFor(() => node.stderr.includes("watching 2 files"), { what: "it to watch" });
    folder.write("greeting.js", "export const greeting = ;\n");
    await waitFor(() => node.stderr.includes("what has changed is not served, what was before is"), {
      what: "the reason",
    });
    expect(node.stderr).toMatch(/Unexpected token/);
    expect((await client.get("/")).json).toEqual({ greeting: "hello" });
    folder.write("greeting.js", 'export const greeting = "again";\n');
    await waitFor(async () => (await client.get("/")).json.greeting === "again", { what: "the next change" });
    await node.stopped();
  });

  it("loads a model whose file is another", async () => {
    using folder = TempFolder.withTutti();
    const module = writeShop(folder);
    await using node = await TuttiProcess.ready(module, { args: WATCH });
    using client = new HttpClient(node.port);
    await waitFor(() => node.stderr.includes("watching 2 files"), { what: "it to watch" });
    const { pid } = (await client.get("/buy")).json;
    writeModel(folder.at("model.onnx"), identityModel("float32", ["another", 2]));
    await waitFor(() => node.stderr.includes("the change is served"), { what: "the change" });
    const after = (await client.get("/buy")).json;
    expect(after.y).toEqual([1, 2]);
    expect(after.pid).not.toBe(pid);
    await node.stopped();
  });

  it("takes a model's next version, which comes as a folder beside the one before", async () => {
    using folder = TempFolder.withTutti();
    const writeVersion = (version: number) => writeModelVersion(folder.at("models"), version);
    writeVersion(1);
    await using node = await TuttiProcess.ready(folder.write("app.js", WIDTH), { args: WATCH });
    using client = new HttpClient(node.port);
    await waitFor(() => node.stderr.includes("watching 2 files"), { what: "it to watch" });
    const width = async () => (await client.get("/")).json;
    expect(await width()).toEqual({ width: 1 });
    writeVersion(2);
    await waitFor(async () => (await width()).width === 2, { what: "the next version" });
    writeVersion(3);
    await waitFor(async () => (await width()).width === 3, { what: "the one after that" });
    await node.stopped();
  });
});
