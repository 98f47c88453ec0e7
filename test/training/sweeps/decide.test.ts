import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decideSweep, type Standing, trialValue } from "../../../src/training/sweeps/decide.ts";
import type { SweepPlan } from "../../../src/training/sweeps/sweep.ts";

const METRIC = "eval_accuracy";
const trials = (count: number) => Array.from({ length: count }, (_, i) => ({ number: i + 1, settings: {} }));
const HALVING: SweepPlan = {
  varied: [],
  trials: trials(9),
  rungs: [
    { share: 1 / 9, trials: 9 },
    { share: 1 / 3, trials: 3 },
    { share: 1, trials: 1 },
  ],
};
const ONCE: SweepPlan = { varied: [], trials: trials(4), rungs: [{ share: 1, trials: 4 }] };

const missing = ({ trials: all }: SweepPlan): Standing[] =>
  all.map(({ number }) => ({ number, state: "missing", judged: [] }));
const judgedBy = (...values: number[]) => values.map((value) => ({ [METRIC]: value }));

/** Does what is decided, in an order of one's own, until nothing is left to do. */
function follow(
  plan: SweepPlan,
  valueAt: (trial: number, rung: number) => number | "fails",
  choose: (count: number) => number,
) {
  const standings = missing(plan);
  const done: string[] = [];
  const set = (trial: number, change: Partial<Standing>) => {
    standings[trial - 1] = { ...standings[trial - 1]!, ...change };
  };
  for (;;) {
    const { moves, failed } = decideSweep(plan, METRIC, standings);
    if (failed) return { done, standings, best: undefined };
    const move = moves[choose(moves.length)];
    if (move === undefined) throw new Error("nothing to do, and not at an end");
    const { judged } = standings[move.trial - 1]!;
    if (move.kind === "publish") return { done, standings, best: move.trial };
    if (move.kind === "give-up") set(move.trial, { state: "ended" });
    else {
      done.push(`${move.trial}/${judged.length}`);
      const value = valueAt(move.trial, judged.length);
      if (value === "fails") set(move.trial, { state: "ended" });
      else set(move.trial, { state: "held", judged: [...judged, { [METRIC]: value }] });
    }
  }
}

describe("what follows in a sweep", () => {
  it("is the start of every trial, at once", () => {
    const { moves, failed, best } = decideSweep(ONCE, METRIC, missing(ONCE));
    expect(moves.map(({ trial, kind }) => `${kind} ${trial}`)).toEqual(["start 1", "start 2", "start 3", "start 4"]);
    expect([failed, best]).toEqual([false, undefined]);
  });

  it("gives up what can no longer be the best while others still train, and publishes the best", () => {
    const standings: Standing[] = [
      { number: 1, state: "held", judged: judgedBy(0.7) },
      { number: 2, state: "at-work", judged: [] },
      { number: 3, state: "held", judged: judgedBy(0.8) },
      { number: 4, state: "ended", judged: [] },
    ];
    expect(decideSweep(ONCE, METRIC, standings)).toEqual({
      moves: [{ trial: 1, kind: "give-up" }],
      best: 3,
      failed: false,
    });
    const last = standings.map((trial): Standing => (trial.number === 2 ? { ...trial, state: "ended" } : trial));
    expect(decideSweep(ONCE, METRIC, last).moves).toEqual([
      { trial: 1, kind: "give-up" },
      { trial: 3, kind: "publish" },
    ]);
  });

  it("waits for all of a rung before the better third goes on", () => {
    const first = missing(HALVING).map(
      (trial): Standing => ({ ...trial, state: "held", judged: judgedBy(trial.number / 10) }),
    );
    const waiting = first.map(
      (trial): Standing => (trial.number === 5 ? { ...trial, state: "at-work", judged: [] } : trial),
    );
    expect(decideSweep(HALVING, METRIC, waiting).moves).toEqual([]);
    const { moves, best } = decideSweep(HALVING, METRIC, first);
    expect(moves.filter(({ kind }) => kind === "go-on").map(({ trial }) => trial)).toEqual([9, 8, 7]);
    expect(moves.filter(({ kind }) => kind === "give-up").map(({ trial }) => trial)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(best).toBe(9);
  });

  it("compares losses the other way round, several runs by their mean, and never takes what is no number", () => {
    const standings: Standing[] = [
      { number: 1, state: "held", judged: [{ eval_loss: 0.4, eval_loss_mean: 0.9 }] },
      { number: 2, state: "held", judged: [{ eval_loss: 0.5, eval_loss_mean: 0.6 }] },
      { number: 3, state: "held", judged: [{ eval_loss: Number.NaN }] },
    ];
    const { moves, best } = decideSweep({ ...ONCE, trials: trials(3) }, "eval_loss", standings);
    expect(best).toBe(2);
    expect(moves).toContainEqual({ trial: 3, kind: "give-up" });
    expect(trialValue("eval_loss", { eval_loss: Number.NaN })).toBeUndefined();
  });

  it("fails where no trial gives a figure", () => {
    const standings = missing(ONCE).map((trial): Standing => ({ ...trial, state: "ended" }));
    expect(decideSweep(ONCE, METRIC, standings)).toEqual({ moves: [], failed: true });
  });

  it("does not depend on the order in which the work is done, repeats none, and keeps the best", () => {
    const value = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constant("fails" as const));
    fc.assert(
      fc.property(
        fc.array(fc.array(value, { minLength: 3, maxLength: 3 }), { minLength: 9, maxLength: 9 }),
        fc.infiniteStream(fc.nat()),
        (table, numbers) => {
          const valueAt = (trial: number, rung: number) => table[trial - 1]![rung]!;
          for (const plan of [HALVING, { ...ONCE, trials: trials(9), rungs: [{ share: 1, trials: 9 }] }]) {
            const inOrder = follow(plan, valueAt, () => 0);
            const mixed = follow(plan, valueAt, (count) =>
              count === 0 ? 0 : (numbers.next().value as number) % count,
            );
            expect(mixed.best).toBe(inOrder.best);
            expect([...mixed.done].sort()).toEqual([...inOrder.done].sort());
            expect(new Set(inOrder.done).size).toBe(inOrder.done.length);
            if (plan.rungs.length > 1) continue;
            const values = table.map(([first]) => (first === "fails" ? -1 : (first ?? -1)));
            expect(inOrder.best).toBe(Math.max(...values) < 0 ? undefined : values.indexOf(Math.max(...values)) + 1);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
