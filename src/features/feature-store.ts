/**
 * The feature plane's port: one precomputed vector per entity, looked up by the entity's key.
 *
 * What every store and every decorator of this room promises; the conformance suite and the tests cite these names:
 * - **F1** Answers are aligned with the keys asked for. A key the store does not hold is `undefined`, never an error; a
 *   key asked for twice is answered twice.
 * - **F2** A get ends by its deadline and on its signal, whatever the store behind does. A get that is already expired or
 *   aborted never starts.
 * - **F3** A get fails with `InvalidArgument` (what was asked), `Cancelled` (its signal), `DeadlineExceeded` (time ended it)
 *   or `FeaturesUnavailable` (the store did: it refused, broke, is overloaded or closed), and with nothing else.
 * - **F4** A row comes back bit for bit as it was put, or not at all. A damaged row fails the gets that ask for it, and
 *   no other that happens to share a batch with them.
 * - **F5** Once a put has resolved, a get that starts later through the same store sees it (DynamoDB: with
 *   `consistentRead`). Writers in other processes are seen when a cached row's time is over.
 * - **F6** Everything that can grow has a bound: queued keys, batches in flight, attempts, cached bytes. What does
 *   not fit is refused at once or evicted.
 * - **F7** Callers may share a look-up, but not each other's endings: one caller's deadline or cancellation ends only its
 *   own get. A look-up that nobody waits for any more is aborted.
 * - **F8** `close()` ends everything outstanding and leaves no timer, socket or file open; later calls fail.
 * - **F9** A row that did not come from the store says so: `defaulted` is true.
 */
export interface FeatureStore {
  /**
   * @param keys 0 to 1,000 entity keys (see `check-features.ts` for the limits); repeats are allowed.
   * @returns one row, or `undefined` for an unknown key, per key and in their order.
   * @throws TuttiError with one of the codes of F3.
   */
  get(keys: readonly string[], options: GetOptions): Promise<FeatureRows>;

  /**
   * The rows if they can be had without waiting, else `undefined` (ask `get` then). Present on stores that read
   * synchronously, and on decorators; lets a hit skip promises, timers and batching. Never blocks on another process.
   *
   * @throws TuttiError `InvalidArgument` or `FeaturesUnavailable`.
   */
  getNow?(keys: readonly string[]): FeatureRows | undefined;

  /**
   * Writes rows, replacing those of the same key; of two rows with one key the last wins. Each row is written whole,
   * but a put that fails may have written some of its rows: put them again. The vectors must not change until
   * the put resolves.
   *
   * @throws TuttiError `InvalidArgument` (nothing was written) or `FeaturesUnavailable`.
   */
  put(rows: Iterable<FeatureEntry>): Promise<void>;

  /** Idempotent; see F8. A decorator closes the store that it decorates. */
  close(): Promise<void>;
}

export interface GetOptions {
  /**
   * Absolute, in milliseconds on the scale of this process's `performance.now()` (not `Date.now()`); `Infinity` for
   * none. Work whose deadline equals the present has expired.
   */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface FeatureRow {
  /** In the order of the application's manifest. Shared between callers and caches: treat it as immutable. */
  readonly vector: Float32Array;
  /** True when this is not the entity's row but a stand-in (F9). */
  readonly defaulted: boolean;
}

export type FeatureRows = readonly (FeatureRow | undefined)[];

export interface FeatureEntry {
  readonly key: string;
  readonly vector: Float32Array;
}
