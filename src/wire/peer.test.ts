import { openInlinePair, openUnixPair } from "../../test/wire/transport-pairs.ts";
import { describePeer } from "./peer.conformance.ts";
import { describeHeldCalls } from "./peer-hold.conformance.ts";
import { describePeerStreams } from "./peer-streams.conformance.ts";

describePeer("inline transports", openInlinePair);
describePeer("a unix socket", openUnixPair);
describePeerStreams("inline transports", openInlinePair);
describePeerStreams("a unix socket", openUnixPair);
describeHeldCalls("inline transports", openInlinePair);
describeHeldCalls("a unix socket", openUnixPair);
