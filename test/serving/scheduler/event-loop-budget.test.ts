import { describe, expect, it } from "vitest";
import { EventLoopBudget } from "../../../src/serving/scheduler/event-loop-budget.ts";
import { VirtualClock } from "../virtual-clock.ts";

/** A clock whose jobs take time: each call of `work` moves it on. */
class WorkingClock extends VirtualClock {
  #worked = 0;
  /** EventLoopBudget of the event loop so far. */
  turns = 0;

  override now(): number {
    return super.now() + this.#worked;
  }

  override soon(action: () => void): void {
    super.soon(() => {
      this.turns++;
      action();
    });
  }

  work(ms: number): number {
    this.#worked += ms;
    return this.turns;
  }
}

describe("EventLoopBudget", () => {
  it("puts only a few milliseconds of jobs into one turn, in order of arrival", async () => {
    const clock = new WorkingClock();
    const budget = new EventLoopBudget(clock);
    const order: number[] = [];
    const jobs = [2, 2, 2, 2, 2, 2, 2].map((ms, i) =>
      budget.run(() => {
        order.push(i);
        return clock.work(ms);
      }),
    );
    await clock.settle();
    expect(await Promise.all(jobs)).toEqual([0, 0, 0, 1, 1, 1, 2]);
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it("gives a long job a turn of its own", async () => {
    const clock = new WorkingClock();
    const budget = new EventLoopBudget(clock);
    const jobs = [50, 1, 50, 1].map((ms) => budget.run(() => clock.work(ms)));
    await clock.settle();
    expect(await Promise.all(jobs)).toEqual([0, 1, 1, 2]);
  });

  it("goes on after a job that throws", async () => {
    const clock = new WorkingClock();
    const budget = new EventLoopBudget(clock);
    const bad = budget.run(() => {
      clock.work(50);
      throw new Error("no");
    });
    const good = budget.run(() => clock.work(1));
    await expect(bad).rejects.toThrow("no");
    await clock.settle();
    expect(await good).toBe(1);
  });

  it("runs at once when nothing ran before", async () => {
    const clock = new WorkingClock();
    const budget = new EventLoopBudget(clock);
    for (let i = 0; i < 3; i++) {
      expect(await budget.run(() => clock.work(4))).toBe(i);
      await clock.settle();
    }
  });
});
