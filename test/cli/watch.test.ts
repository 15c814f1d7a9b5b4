import { describe, expect, it } from "vitest";
import { writeShop } from "../node/shop.ts";
import { identityModel, writeModel } from "../onnx/model-proto.ts";
import { HttpClient } from "../support/http-client.ts";
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
});
