/** Something that a call can be made through, as the `hop` suite measures it. */
export interface HopSubject {
  /** `bare-socket`, `inline` (one process), `processes` (two), `fan-out-15` (15 calls over 2 lanes count as one); `handle` and
   * `ensemble-15` are the last two as user code makes them, through the router. */
  readonly name: string;
  start(): Promise<RunningHop>;
}

export interface RunningHop extends AsyncDisposable {
  /** One no-op call with so many bytes of argument; resolves when its answer is there. */
  call(payloadBytes: number): Promise<void>;
}
