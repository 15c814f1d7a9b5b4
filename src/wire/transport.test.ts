import { describe, expect, it } from "vitest";
import { Recorder } from "../../test/wire/recorder.ts";
import {
  openInlinePair,
  openUnixPair,
  openUnixRawPair,
  socketPath,
} from "../../test/wire/transport-pairs.ts";
import { DEFAULT_WIRE_LIMITS } from "./protocol.ts";
import { connectUnix, listenUnix } from "./socket-transport.ts";
import { describeByteStreamTransport, describeTransport, numberedFrame } from "./transport.conformance.ts";

describeTransport("inline", openInlinePair);
describeTransport("a unix socket", openUnixPair);
describeByteStreamTransport("a unix socket", openUnixRawPair);

describe("connectUnix", () => {
  it("fails with PeerClosed and started no where nobody listens, naming the path", async () => {
    const { path, remove } = socketPath();
    await expect(connectUnix(path, DEFAULT_WIRE_LIMITS, 5_000)).rejects.toMatchObject({
      code: "PeerClosed",
      started: "no",
      message: expect.stringContaining(path),
    });
    remove();
  });
});

describe("listenUnix", () => {
  it("rejects when its path cannot be listened on", async () => {
    await expect(listenUnix("/nonexistent/directory/s", DEFAULT_WIRE_LIMITS, () => {})).rejects.toThrow();
  });

  it("keeps the connections it has when it stops listening", async () => {
    const { path, remove } = socketPath();
    const events = new Recorder();
    const listener = await listenUnix(path, DEFAULT_WIRE_LIMITS, (transport) => transport.start(events));
    const near = await connectUnix(path, DEFAULT_WIRE_LIMITS, 5_000);
    near.start(new Recorder());
    near.send(numberedFrame(0, 64));
    await events.untilFrames(1);
    const closed = listener.close();
    await expect(connectUnix(path, DEFAULT_WIRE_LIMITS, 5_000)).rejects.toMatchObject({ code: "PeerClosed" });
    near.send(numberedFrame(1, 64));
    await events.untilFrames(2);
    near.close();
    await closed;
    remove();
  });
});
