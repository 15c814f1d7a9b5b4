import { identityModel, writeModel } from "../onnx/model-proto.ts";
import type { TempFolder } from "../support/temp-folder.ts";

/** Two classes and a model. What it is told to do by `args` and `userConfig` is what tests need of a version. */
const SHOP = `
import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { application, context, deployment, onnxModel, Tensor } from "tutti";

class Stock {
  #shelf = "none";
  constructor(fault) {
    if (fault === "throws") throw new Error("no such table");
  }
  reconfigure({ shelf }) {
    if (shelf === "broken") throw new Error("a shelf that is broken");
    this.#shelf = shelf;
  }
  checkHealth() {
    if (this.fault === "sick") throw new Error("the disk is full");
  }
  shelf() { return { shelf: this.#shelf, version: context().applicationVersion, pid: process.pid }; }
}
class StuckStock extends Stock {
  static create() { return new Promise(() => {}); }
}
class LoopingStock extends Stock {
  constructor() {
    super();
    for (;;);
  }
}
class SickStock extends Stock {
  fault = "sick";
}
class Shop {
  #stock; #model; #fault;
  constructor(stock, model, fault) {
    if (existsSync(import.meta.dirname + "/shut")) throw new Error("the shop is shut");
    this.#stock = stock; this.#model = model; this.#fault = fault;
  }
  async buy(_, { query }) {
    if (this.#fault === "fails") throw new Error("a bug");
    if (this.#fault === "slow") await delay(500);
    if (query.ms !== undefined) await delay(Number(query.ms));
    const stock = await this.#stock.shelf();
    const { y } = await this.#model.predict(new Tensor("float32", new Float32Array([1, 2]), [1, 2]));
    return { version: context().applicationVersion, stock, y: [...y.data], pid: process.pid };
  }
  async *watch(_, { query }) {
    for (let i = 0; i < Number(query.n); i++) {
      yield { i, version: context().applicationVersion };
      await delay(20);
    }
  }
}

export default ({ fault, model = "model.onnx", route = "/" } = {}) => application({
  name: "shop",
  route,
  deadlineMs: 10000,
  ingress: deployment(Shop, { maxOngoingRequests: 300 }).bind(
    deployment({ sick: SickStock, hangs: StuckStock, loops: LoopingStock }[fault] ?? Stock, { name: "Stock" }).bind(fault),
    onnxModel({ name: "model", path: model }),
    fault,
  ),
  http: { "GET /buy": "buy", "GET /watch": "watch" },
});
`;

/** @returns the module's path; the model files that it may want lie beside it. */
export function writeShop(folder: TempFolder): string {
  writeModel(folder.at("model.onnx"), identityModel("float32", ["N", 2]));
  writeModel(folder.at("other.onnx"), identityModel("float32", ["M", 2]));
  return folder.write("shop.js", SHOP);
}
