import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import type { CompareAndSetResult, StateStore } from "../config/state-store.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { type DesiredApplication, type DesiredState, EMPTY_STATE } from "../policy/desired-state.ts";
import { type FileCalls, replaceFile, systemFiles } from "./atomic-file.ts";
import { DirectoryLock } from "./directory-lock.ts";
import { damaged, decodeState, encodeState, MAX_STATE_BYTES } from "./state-file.ts";
import { codeOf, storeFailure } from "./store-failure.ts";

/** What is known of a file without reading it. */
interface FileMark {
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** A file system may give two changes the same time, when they are so near each other. */
const AT_REST_MS = 100;

/**
 * The desired state in a file of a directory that no other node has. What is on the disk is the truth: each read looks at it,
 * and reads it unless it is the very file that was read before. The controller reads twenty times a second while something
 * moves, on the thread that every request passes.
 */
export class FileStateStore implements StateStore {
  readonly #file: string;
  readonly #lock: DirectoryLock;
  readonly #files: FileCalls;
  readonly #listeners = new Set<() => void>();
  /** What was read last, of a file that had been at rest by then. */
  #lastRead: { readonly mark: FileMark; readonly state: DesiredState } | undefined;
  /** Revisions never fall: a file that is gone or older than this is no state of ours. */
  #newestSeen = 0;
  /** Each begins when the one before has ended. */
  #lastWrite: Promise<unknown> = Promise.resolve();

  private constructor(file: string, lock: DirectoryLock, files: FileCalls) {
    this.#file = file;
    this.#lock = lock;
    this.#files = files;
  }

  /**
   * @param directory made when it is not there.
   * @throws TuttiError `StoreLocked`, `StoreFailed` or `StoreDamaged`; the directory is free again then.
   */
  static async open(directory: string, files: FileCalls = systemFiles): Promise<FileStateStore> {
    const lock = await DirectoryLock.take(directory);
    const store = new FileStateStore(path.join(directory, "state.json"), lock, files);
    try {
      await store.read();
      return store;
    } catch (thrown) {
      lock.release();
      throw thrown;
    }
  }

  async read(): Promise<DesiredState> {
    // Before the look: what is written while the file is read may have the time of what was read.
    const lookedAtMs = Date.now();
    const mark = await this.#look();
    if (mark !== undefined && this.#lastRead !== undefined && isSame(mark, this.#lastRead.mark))
      return this.#lastRead.state;
    const bytes = mark === undefined ? undefined : await this.#readBytes();
    const state = bytes === undefined ? EMPTY_STATE : decodeState(bytes, this.#file);
    if (state.revision < this.#newestSeen) {
      const found = bytes === undefined ? "it is gone" : `found revision ${state.revision}`;
      throw damaged(this.#file, `expected revision ${this.#newestSeen} or later, ${found}`);
    }
    this.#newestSeen = state.revision;
    this.#lastRead = mark !== undefined && isAtRest(mark, lookedAtMs) ? { mark, state } : undefined;
    return state;
  }

  compareAndSet(
    expectedRevision: number,
    applications: readonly DesiredApplication[],
  ): Promise<CompareAndSetResult> {
    const result = this.#lastWrite.then(() => this.#write(expectedRevision, applications));
    this.#lastWrite = result.catch(() => {});
    return result;
  }

  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    await this.#lastWrite;
    this.#lock.release();
  }

  async #write(
    expectedRevision: number,
    applications: readonly DesiredApplication[],
  ): Promise<CompareAndSetResult> {
    const there = await this.read();
    if (there.revision !== expectedRevision) return { kind: "conflict", state: there };
    const bytes = encodeState({ revision: expectedRevision + 1, applications });
    if (bytes.length > MAX_STATE_BYTES) {
      const message = `the desired state is ${bytes.length} bytes, expected at most ${MAX_STATE_BYTES}`;
      throw new TuttiError("PayloadTooLarge", message, { started: "no" });
    }
    try {
      await replaceFile(this.#file, bytes, this.#files);
    } catch (thrown) {
      throw storeFailure(this.#file, "written", thrown);
    }
    const state = await this.read();
    for (const listener of this.#listeners) listener();
    return { kind: "stored", state };
  }

  /** @returns undefined when it is not there. */
  async #look(): Promise<FileMark | undefined> {
    try {
      const mark = await stat(this.#file, { bigint: true });
      // Not read whole before it is known to be no other file, such as one that has no end.
      if (mark.size > MAX_STATE_BYTES) throw damaged(this.#file, `it has ${mark.size} bytes`);
      return mark;
    } catch (thrown) {
      return this.#absent(thrown);
    }
  }

  async #readBytes(): Promise<Buffer | undefined> {
    try {
      return await readFile(this.#file);
    } catch (thrown) {
      return this.#absent(thrown);
    }
  }

  /** @throws what it was given, unless that says that there is no file. */
  #absent(thrown: unknown): undefined {
    if (thrown instanceof TuttiError) throw thrown;
    if (codeOf(thrown) !== "ENOENT") throw storeFailure(this.#file, "read", thrown);
    return undefined;
  }
}

const isSame = (a: FileMark, b: FileMark): boolean =>
  a.ino === b.ino && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs;

const isAtRest = ({ ctimeNs }: FileMark, nowMs: number): boolean =>
  nowMs - Number(ctimeNs / 1_000_000n) > AT_REST_MS;
