import { connect, type Socket } from "node:net";
import type { Fault, Scene } from "../fault.ts";
import { OFFER_PATH } from "../load.ts";

function requestOf(playerId: string): string {
  const body = JSON.stringify({ playerId });
  return (
    `POST ${OFFER_PATH} HTTP/1.1\r\nHost: chaos\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${body.length}\r\n\r\n${body}`
  );
}

/** Opens a connection, whose errors are what this is about. */
function dial({ system }: Scene): Socket {
  return connect(system.port, "127.0.0.1").on("error", () => {});
}

const CUT_EVERY_MS = 5;

/**
 * As many broken requests as whole ones, about: each is cut in the middle of its body, or as the first bytes of its
 * answer come.
 */
export const clientsCut: Fault = {
  name: "clients-cut",
  about: "half of the connections are cut in the middle of a body, of the request or of the answer",
  system: "embedded",
  holdMs: { quick: 1000, full: 8000 },
  demands: { rightFraction: 1 },
  async plant(scene) {
    const { random, reference, pause, isOver } = scene;
    while (!isOver()) {
      const request = requestOf(reference.playerIds[Math.floor(random() * reference.playerIds.length)] ?? "");
      const socket = dial(scene);
      if (random() < 0.5) socket.write(request.slice(0, -8), () => socket.destroy());
      else socket.once("data", () => socket.destroy()).write(request);
      await pause(CUT_EVERY_MS);
    }
  },
};

const MUTE_CLIENTS = 50;
/** Of one of them after the other: 500 requests a second, which overloads nobody. */
const MUTE_REQUEST_EVERY_MS = 2;

export const clientsNeverRead: Fault = {
  name: "clients-never-read",
  about: `${MUTE_CLIENTS} clients send request after request and read nothing`,
  system: "embedded",
  holdMs: { quick: 1000, full: 8000 },
  demands: { rightFraction: 0.99, personalFraction: 1 },
  async plant(scene) {
    const { reference, pause, isOver } = scene;
    const sockets = Array.from({ length: MUTE_CLIENTS }, () => dial(scene).pause());
    for (let i = 0; !isOver(); i++) {
      sockets[i % MUTE_CLIENTS]?.write(requestOf(reference.playerIds[i % reference.playerIds.length] ?? ""));
      await pause(MUTE_REQUEST_EVERY_MS);
    }
    for (const socket of sockets) socket.destroy();
  },
};
