import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import type { HopSubject, RunningHop } from "../suites/hop-subject.ts";
import { FrameReader, frame } from "./socket-frames.ts";

const ECHO = fileURLToPath(new URL("./socket-echo.ts", import.meta.url));
/** Of the answer: what a no-op call gets back. */
const REPLY_BYTES = 64;

/** The floor of a call between processes: a frame to another Node process over a unix socket, and its answer. */
export const bareSocket: HopSubject = {
  name: "bare-socket",
  async start(): Promise<RunningHop> {
    const directory = mkdtempSync(`${tmpdir()}/bench-`);
    const path = `${directory}/echo`;
    const child = fork(ECHO, [path], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    const end = (): void => {
      child.kill("SIGKILL");
      rmSync(directory, { recursive: true, force: true });
    };
    try {
      await new Promise<void>((resolve, reject) => {
        child.once("message", () => resolve());
        child.once("exit", () => reject(new Error("bare-socket: the far end ended")));
      });
      return new BareSocket(connect(path), end);
    } catch (error) {
      end();
      throw error;
    }
  },
};

class BareSocket implements RunningHop {
  readonly #socket: Socket;
  readonly #end: () => void;
  /** Answers come in the order of the calls. */
  readonly #waiting: (() => void)[] = [];
  #head = 0;
  #frame = frame(Buffer.alloc(0), REPLY_BYTES);

  constructor(socket: Socket, end: () => void) {
    this.#socket = socket;
    this.#end = end;
    const reader = new FrameReader(() => {
      const resolve = this.#waiting[this.#head];
      this.#head += 1;
      if (this.#head === this.#waiting.length) {
        this.#waiting.length = 0;
        this.#head = 0;
      }
      resolve?.();
    });
    socket.on("data", (chunk) => reader.push(chunk));
  }

  call(payloadBytes: number): Promise<void> {
    if (this.#frame.length !== payloadBytes + 8)
      this.#frame = frame(Buffer.alloc(payloadBytes, 1), REPLY_BYTES);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#socket.write(this.#frame);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    this.#end();
  }
}
