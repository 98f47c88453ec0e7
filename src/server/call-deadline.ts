/** What every call of a listener has in common. */
export interface CallSettings {
  /** Aborts when the server begins to drain. */
  readonly draining: AbortSignal;
  readonly defaultDeadlineMs: number;
  readonly maxDeadlineMs: number;
}

/**
 * How long a call may take. Streams live as long as their caller wants unless it sets a deadline: each item has limits of its own.
 *
 * @param givenMs  what its caller allows; undefined where it says nothing
 */
export function allowedMs(givenMs: number | undefined, streaming: boolean, settings: CallSettings): number {
  if (streaming) return givenMs ?? Number.POSITIVE_INFINITY;
  return Math.min(givenMs ?? settings.defaultDeadlineMs, settings.maxDeadlineMs);
}
