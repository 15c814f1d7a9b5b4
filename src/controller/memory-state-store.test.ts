import { MemoryStateStore } from "./memory-state-store.ts";
import { describeStateStore } from "./state-store.conformance.ts";

describeStateStore("memory", async () => new MemoryStateStore());
