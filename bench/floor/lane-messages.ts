export interface ToLane {
  readonly batch: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
}

export type FromLane =
  | { readonly type: "loaded" }
  | {
      readonly type: "done";
      readonly ensembles: number;
      readonly seconds: number;
      readonly cpuSeconds: number;
    };
