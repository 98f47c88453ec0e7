import { goalOf } from "../../../training/evaluation/head-metrics.ts";
import { trialValue } from "../../../training/sweeps/decide.ts";
import type { SweepState } from "../../../training/sweeps/sweep-state.ts";
import { columns } from "../../admin/admin-call.ts";

// The trials of a sweep as a table for a person.

/** A row of the table. */
export interface SweepTableRow {
  readonly number: number;
  readonly settings: Readonly<Record<string, string>>;
  /** What it is compared by; absent where it has none yet. */
  readonly value?: number | undefined;
  /** Rungs at which it was judged. */
  readonly judged: number;
  readonly steps: number;
  /** In a word or two. */
  readonly state: string;
  readonly best: boolean;
}

/** Settings as they are written: `learning_rate=3e-5 dropout=0.1`. */
export function settingsText(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
}

/** Lines of a table, the best trials first: those that came further, then those with the better value; a star marks the best. */
export function tableLines(metric: string, varied: readonly string[], rows: readonly SweepTableRow[]): string[] {
  const sign = goalOf(metric) === "highest" ? -1 : 1;
  const rank = ({ value }: SweepTableRow) => (value === undefined ? Number.POSITIVE_INFINITY : sign * value);
  const sorted = [...rows].sort(
    (a, b) =>
      Number(b.best) - Number(a.best) || b.judged - a.judged || compare(rank(a), rank(b)) || a.number - b.number,
  );
  return columns([
    ["", "TRIAL", ...varied, metric === "" ? "VALUE" : metric, "STEPS", "STATE"],
    ...sorted.map(({ number, settings, value, steps, state, best }) => [
      best ? "*" : "",
      String(number),
      ...varied.map((name) => settings[name] ?? ""),
      value === undefined ? "" : String(Number(value.toFixed(4))),
      steps > 0 ? String(steps) : "",
      state,
    ]),
  ]);
}

/** The table of a sweep of this machine. */
export function sweepTable({ metric, trials, best }: SweepState): string[] {
  const varied = Object.keys(trials[0]?.settings ?? {});
  const rows = trials.map(({ number, settings, judged, step, failed }) => ({
    ...{ number, settings, steps: step, judged: judged.length, best: number === best },
    value: trialValue(metric, judged.at(-1)),
    state: failed === undefined ? (number === best ? "kept" : judged.length > 0 ? "judged" : "") : "failed",
  }));
  return tableLines(metric, varied, rows);
}

/** Infinities are equal to each other, which their difference is not. */
function compare(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
