/** What is known of an executor that has work and has not been heard of. Times in ms. */
export interface Silence {
  /** Since the last reply, or since it was given work when it had none. */
  readonly silentMs: number;
  /** How long its work, and what it is known to take, explains. */
  readonly explainedMs: number;
  /** Since it was asked for a sign of life; undefined when it was not. */
  readonly askedForMs: number | undefined;
}

/** Work may take so many times what it is predicted to before it means something. */
const PATIENCE = 3;

/**
 * `wait`, `ask` for a sign of life, or `stalled`: what it was given is to be done elsewhere. Asking comes between, since a
 * process that waits for others is silent and well; one whose thread is blocked, or that is stopped, cannot answer.
 *
 * @param stallMs silence beyond what is explained, half of it before it is asked and half after.
 */
export function judgeSilence(silence: Silence, stallMs: number): "wait" | "ask" | "stalled" {
  if (silence.silentMs <= stallMs / 2 + PATIENCE * silence.explainedMs) return "wait";
  if (silence.askedForMs === undefined) return "ask";
  return silence.askedForMs < stallMs / 2 ? "wait" : "stalled";
}
