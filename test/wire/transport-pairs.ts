import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inlineTransports } from "../../src/wire/inline-transport.ts";
import { DEFAULT_WIRE_LIMITS, type WireLimits } from "../../src/wire/protocol.ts";
import { connectUnix, listenUnix, SocketTransport } from "../../src/wire/socket-transport.ts";
import type { Transport } from "../../src/wire/transport.ts";

/** Two connected ends, and how to let go of what connects them. */
export interface TransportPair {
  readonly near: Transport;
  readonly far: Transport;
  close(): Promise<void>;
}

/** A transport whose other end is a bare socket, for bytes that no transport would send. */
export interface RawPair {
  readonly transport: Transport;
  readonly raw: net.Socket;
  close(): Promise<void>;
}

export async function openInlinePair(): Promise<TransportPair> {
  const [near, far] = inlineTransports();
  return { near, far, close: async () => {} };
}

export async function openUnixPair(limits: WireLimits = DEFAULT_WIRE_LIMITS): Promise<TransportPair> {
  const { path, remove } = socketPath();
  const accepted = Promise.withResolvers<Transport>();
  const listener = await listenUnix(path, limits, (transport) => accepted.resolve(transport));
  const near = await connectUnix(path, limits, 5_000);
  const far = await accepted.promise;
  return {
    near,
    far,
    close: async () => {
      near.destroy(new Error("the test is over"));
      far.destroy(new Error("the test is over"));
      await listener.close();
      remove();
    },
  };
}

export async function openUnixRawPair(limits: WireLimits = DEFAULT_WIRE_LIMITS): Promise<RawPair> {
  const { path, remove } = socketPath();
  const accepted = Promise.withResolvers<net.Socket>();
  const server = net.createServer((socket) => accepted.resolve(socket));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const raw = net.connect({ path });
  raw.on("error", () => {});
  const socket = await accepted.promise;
  return {
    transport: new SocketTransport(socket, limits),
    raw,
    close: async () => {
      raw.destroy();
      socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      remove();
    },
  };
}

/** A path of its own in a directory of its own: short, since a unix socket's path holds about 100 bytes. */
export function socketPath(): { readonly path: string; remove(): void } {
  const directory = mkdtempSync(join(tmpdir(), "tutti-wire-"));
  return {
    path: join(directory, "s"),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
