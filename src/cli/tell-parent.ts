import type { RunningNode } from "../runtime/node.ts";
import { urlOf } from "../runtime/url-of.ts";

/** What a command that starts a node tells the program that started it with a channel for messages, once it is ready. */
export interface ReadyMessage {
  readonly type: "ready";
  readonly url: string;
  readonly adminUrl: string | undefined;
  readonly routes: readonly string[];
}

export function tellParent({ address, admin, applications }: RunningNode): void {
  const message: ReadyMessage = {
    type: "ready",
    url: urlOf(address),
    adminUrl: admin === undefined ? undefined : urlOf(admin),
    routes: applications().flatMap(({ route }) => (route === undefined ? [] : [route])),
  };
  process.send?.(message);
}

/** Whoever has started this program with a channel wants it no longer than itself. */
export function onParentGone(end: () => void): void {
  if (process.connected) process.once("disconnect", end);
}
