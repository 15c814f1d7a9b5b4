/**
 * `node socket-echo.ts <socket path>`: the far end of the bare round trip. A frame is `u32 payload bytes, u32 reply
 * bytes, payload`; the answer is a frame with a payload of the wanted size. Little-endian.
 */
import { createServer } from "node:net";
import { FrameReader, frame } from "./socket-frames.ts";

const path = process.argv[2];
if (path === undefined) throw new Error("usage: socket-echo.ts <socket path>");

createServer((socket) => {
  const reader = new FrameReader((payload, replyBytes) => {
    socket.write(frame(replyBytes === payload.length ? payload : Buffer.alloc(replyBytes), 0));
  });
  socket.on("data", (chunk) => reader.push(chunk));
  socket.on("error", () => socket.destroy());
}).listen(path, () => process.send?.("listening"));
process.on("disconnect", () => process.exit(0));
