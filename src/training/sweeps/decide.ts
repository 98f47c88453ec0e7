import { goalOf } from "../evaluation/head-metrics.ts";
import type { SweepPlan } from "./sweep.ts";

// What is to be done next in a sweep, as a pure function of how its trials stand: whoever asks again, on whatever machine, is told
// the same.

/** Figures of a trial on its evaluation data. */
export type Figures = Readonly<Record<string, number>>;

/** How a trial stands. */
export interface Standing {
  readonly number: number;
  /**
   * - `missing`: it has not begun.
   * - `at-work`: it waits for its turn or trains.
   * - `held`: it was judged, and waits for what follows.
   * - `ended`: nothing more will come of it: it failed, was stopped or given up.
   */
  readonly state: "missing" | "at-work" | "held" | "ended";
  /** What it was judged by at each rung that it reached, in order. */
  readonly judged: readonly Figures[];
}

/** What is to be done with a trial. */
export interface SweepMove {
  readonly trial: number;
  /**
   * - `start` it, or let it `go-on` to the next rung.
   * - `give-up`: it is not the best; nothing is kept of it but its figures.
   * - `publish`: it is the best of all.
   */
  readonly kind: "start" | "go-on" | "give-up" | "publish";
}

/** What is to be done now; nothing where all that can be done is to wait. */
export interface Decision {
  readonly moves: readonly SweepMove[];
  /** The best trial so far by the figures of the highest rung that one was judged at; absent before the first. */
  readonly best?: number;
  /** No trial is left that could be the best. */
  readonly failed: boolean;
}

/**
 * The value that trials are compared by: the mean of several runs, where there were several.
 *
 * @returns undefined where there is none, or it is no number: such a trial is never the best
 */
export function trialValue(metric: string, figures: Figures | undefined): number | undefined {
  const value: unknown = figures?.[`${metric}_mean`] ?? figures?.[metric];
  // JSON has no NaN: what is read from a log may be null.
  return typeof value !== "number" || Number.isNaN(value) ? undefined : value;
}

/**
 * Decides what follows. At each rung all that reached it are judged before the better ones go on, so that it does not matter which is
 * done first; of equals the one with the smaller number goes first. A trial that failed is out.
 */
export function decideSweep({ rungs }: SweepPlan, metric: string, standings: readonly Standing[]): Decision {
  const sign = goalOf(metric) === "highest" ? -1 : 1;
  const ranked = (trials: readonly Standing[], rung: number) =>
    trials
      .flatMap((trial) => {
        const value = trialValue(metric, trial.judged[rung]);
        return value === undefined ? [] : [{ trial, value }];
      })
      .sort((a, b) => sign * (a.value - b.value) || a.trial.number - b.trial.number)
      .map(({ trial }) => trial);
  const moves: SweepMove[] = [];
  const giveUp = (trials: readonly Standing[]) => {
    for (const { number, state } of trials) if (state === "held") moves.push({ trial: number, kind: "give-up" });
  };
  let contestants = [...standings].sort((a, b) => a.number - b.number);
  let best: number | undefined;
  for (const [index] of rungs.entries()) {
    const last = index === rungs.length - 1;
    const order = ranked(contestants, index);
    best = order[0]?.number ?? best;
    const open = contestants.filter(({ judged, state }) => judged.length <= index && state !== "ended");
    if (open.length > 0) {
      for (const { number, state } of open) {
        if (state === "missing") moves.push({ trial: number, kind: "start" });
        if (state === "held") moves.push({ trial: number, kind: "go-on" });
      }
      // Nothing that comes makes these the best.
      if (last) giveUp(order.slice(1));
      giveUp(contestants.filter((trial) => trial.judged.length > index && !order.includes(trial)));
      return { moves, ...(best === undefined ? {} : { best }), failed: false };
    }
    const survivors = order.slice(0, rungs[index + 1]?.trials ?? 1);
    giveUp(contestants.filter((trial) => !survivors.includes(trial)));
    contestants = survivors;
  }
  const [winner] = contestants;
  if (winner === undefined) return { moves, failed: true };
  // A winner that has ended was published, or could not be.
  if (winner.state === "held") moves.push({ trial: winner.number, kind: "publish" });
  return { moves, best: winner.number, failed: false };
}
