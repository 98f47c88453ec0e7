import { setTimeout as delay } from "node:timers/promises";

// The models that a server is given at its start: each comes up by itself. It knows no directory and no store.

/** A model that does not come up is tried again with growing pauses, up to a minute. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;

/** How a model is brought up, and what is done where that fails. */
export interface BringUp<M> {
  readonly open: (model: M) => Promise<void>;
  /** Called for every failure but the first, which `openAll` gives. */
  readonly onFailure: (model: M, error: unknown) => void;
  /** Ends the trying. */
  readonly signal: AbortSignal;
}

/** Brings all up, side by side. @returns the errors of those that did not come up, in the order of the models */
export async function openAll<M>(models: readonly M[], open: BringUp<M>["open"]): Promise<Map<M, unknown>> {
  const outcomes = await Promise.allSettled(models.map(open));
  return new Map(
    models.flatMap((model, i) => {
      const outcome = outcomes[i]!;
      return outcome.status === "rejected" ? [[model, outcome.reason as unknown]] : [];
    }),
  );
}

/** Tries again until it comes up, for its files may be mended or its disk come back. Never rejects. */
export async function tryAgain<M>(model: M, { open, onFailure, signal }: BringUp<M>): Promise<void> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    await delay(pauseMs, undefined, { signal, ref: false }).catch(() => {});
    if (signal.aborted) return;
    try {
      return await open(model);
    } catch (error) {
      if (!signal.aborted) onFailure(model, error);
    }
  }
}
