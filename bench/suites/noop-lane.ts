/** `node noop-lane.ts <socket path>`: a process that answers every call at once with nothing; the far end of `wire-hops`. */
import { createServer } from "node:net";
import { Peer } from "../../src/wire/peer.ts";
import { DEFAULT_WIRE_LIMITS } from "../../src/wire/protocol.ts";
import { SocketTransport } from "../../src/wire/socket-transport.ts";
import { noopService } from "./noop-service.ts";

const path = process.argv[2];
if (path === undefined) throw new Error("usage: noop-lane.ts <socket path>");

createServer((socket) => {
  new Peer(new SocketTransport(socket, DEFAULT_WIRE_LIMITS), {
    hello: { name: "lane", token: "" },
    service: noopService,
  });
}).listen(path, () => process.send?.("listening"));
process.on("disconnect", () => process.exit(0));
