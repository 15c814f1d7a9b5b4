import { NO_STATS } from "../../src/wire/messages.ts";
import { NO_LOAD, type PeerService } from "../../src/wire/peer.ts";

const NOTHING = { ok: true, value: null } as const;

/** Ends every call, and every part of one that fans out, with `null`. */
export const noopService: PeerService = {
  onCalls(calls, from) {
    for (const { id, targets } of calls) {
      if (targets === undefined) from.reply(id, NOTHING, NO_STATS);
      else for (const part of targets.keys()) from.reply(id, NOTHING, NO_STATS, part);
    }
  },
  onCancel() {},
  onWithdraw() {},
  loadReport: () => NO_LOAD,
};
