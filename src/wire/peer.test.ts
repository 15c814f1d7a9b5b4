import { openInlinePair, openUnixPair } from "../../test/wire/transport-pairs.ts";
import { describePeer } from "./peer.conformance.ts";

describePeer("inline transports", openInlinePair);
describePeer("a unix socket", openUnixPair);
