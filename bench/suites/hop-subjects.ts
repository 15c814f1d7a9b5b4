import { bareSocket } from "../floor/bare-socket.ts";
import { ensembleHop, handleHop } from "./handle-hops.ts";
import type { HopSubject } from "./hop-subject.ts";
import { fanOutHop, inlineHop, processesHop } from "./wire-hops.ts";

/** What the `hop` suite compares; the first is the floor of all others. */
export const HOP_SUBJECTS: readonly HopSubject[] = [
  bareSocket,
  inlineHop,
  processesHop,
  handleHop,
  fanOutHop,
  ensembleHop,
];
