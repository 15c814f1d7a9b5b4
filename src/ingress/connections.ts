import type { Socket } from "node:net";
import { TuttiError } from "../errors/tutti-error.ts";
import { Connection, closeSoon, faultOf, type LiveExchange } from "./connection.ts";
import { rawErrorAnswer } from "./error-answer.ts";
import type { IngressCounters } from "./ingress-counters.ts";
import type { RequestIds } from "./request-id.ts";

/** All client connections: their number is bounded, and each ends in order. */
export class Connections {
  readonly #bySocket = new Map<Socket, Connection>();
  readonly #max: number;
  readonly #counters: IngressCounters;
  readonly #ids: RequestIds;

  constructor(max: number, counters: IngressCounters, ids: RequestIds) {
    this.#max = max;
    this.#counters = counters;
    this.#ids = ids;
  }

  get size(): number {
    return this.#bySocket.size;
  }

  /** False if the connection is one too many: it is then told so, and closed. */
  accept(socket: Socket): boolean {
    if (this.#bySocket.size >= this.#max) {
      this.#refuse(socket);
      return false;
    }
    const connection = new Connection(socket, () => this.#ids.idFor(undefined));
    this.#bySocket.set(socket, connection);
    this.#counters.connections++;
    socket.once("close", () => {
      this.#bySocket.delete(socket);
      this.#counters.connections--;
      connection.closed();
    });
    return true;
  }

  of(socket: Socket): Connection | undefined {
    return this.#bySocket.get(socket);
  }

  /** Node's `clientError`: a parser error, a time-out of its own, or a reset. */
  onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    const connection = this.#bySocket.get(socket);
    if (connection === undefined || error.code === "ECONNRESET" || !socket.writable) {
      socket.destroy();
      return;
    }
    const fault = faultOf(error.code);
    if (fault.code === "RequestTimeout") this.#counters.requestTimeouts++;
    else this.#counters.protocolErrors++;
    connection.fail(fault);
  }

  /** Nothing was read or written for a while: ends an idle connection, or one whose client does not read. */
  onSocketTimeout(socket: Socket): void {
    const connection = this.#bySocket.get(socket);
    // The application may take as long as its deadline allows; its own timer bounds it.
    if (connection?.hasLive && socket.writableLength === 0) return;
    if (socket.writableLength > 0) this.#counters.writeTimeouts++;
    socket.destroy();
  }

  openRequests(isCounted: (exchange: LiveExchange) => boolean): number {
    let open = 0;
    for (const connection of this.#bySocket.values()) open += connection.openRequests(isCounted);
    return open;
  }

  closeIdle(): void {
    for (const connection of this.#bySocket.values()) if (connection.isIdle) connection.socket.destroy();
  }

  closeAll(): void {
    for (const socket of this.#bySocket.keys()) socket.destroy();
  }

  #refuse(socket: Socket): void {
    this.#counters.connectionsRefused++;
    const error = new TuttiError("Overloaded", `too many connections (http.maxConnections is ${this.#max})`);
    socket.on("error", () => socket.destroy());
    socket.end(rawErrorAnswer(error, this.#ids.idFor(undefined)));
    closeSoon(socket);
  }
}
