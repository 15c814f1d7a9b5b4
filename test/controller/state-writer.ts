/** Stores one revision after the other in the directory that it is given, and says each when it is stored. */
import { writeSync } from "node:fs";
import { FileStateStore } from "../../src/controller/file-state-store.ts";
import { application } from "./written-application.ts";

const [directory = "", padding = "0"] = process.argv.slice(2);
const store = await FileStateStore.open(directory);
let { revision } = await store.read();
// Also for who only waits for the lock: written at once, and not when the event loop comes to it.
writeSync(1, `open ${revision}\n`);
for (;;) {
  const result = await store.compareAndSet(revision, [application(revision + 1, Number(padding))]);
  revision = result.state.revision;
  writeSync(1, `${revision}\n`);
}
