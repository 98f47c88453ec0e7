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
    expect(await Promise.all(jobs)).toEqual([0, 0, 1, 1, 2, 2, 3]);
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it("puts only a few jobs into one turn, however short they are, of those that begin and of those that end a request", async () => {
    for (const kind of ["run", "end"] as const) {
      const clock = new WorkingClock();
      const budget = new EventLoopBudget(clock);
      const jobs = Array.from({ length: 20 }, () => budget[kind](() => clock.turns));
      await clock.settle();
      expect(await Promise.all(jobs)).toEqual([...Array(8).fill(0), ...Array(8).fill(1), ...Array(4).fill(2)]);
    }
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

  it("lets what ends a request go before what begins one", async () => {
    const clock = new WorkingClock();
    const budget = new EventLoopBudget(clock);
    const order: string[] = [];
    const job = (name: string) => () => {
      order.push(name);
      clock.work(6);
    };
    const jobs = [
      budget.run(job("first")),
      budget.run(job("begins")),
      budget.run(job("begins too")),
      budget.end(job("ends")),
    ];
    await clock.settle();
    await Promise.all(jobs);
    expect(order).toEqual(["first", "ends", "begins", "begins too"]);
  });

  it("lets newcomers and further parts of what has begun take turns", async () => {
    const clock = new WorkingClock();
    const budget = new EventLoopBudget(clock);
    const order: string[] = [];
    const job = (name: string) => () => {
      order.push(name);
      clock.work(6);
    };
    const parts = ["part 1", "part 2", "part 3", "part 4"].map((name) => budget.goOn(job(name)));
    const newcomers = ["new 1", "new 2"].map((name) => budget.run(job(name)));
    await clock.settle();
    await Promise.all([...parts, ...newcomers]);
    expect(order).toEqual(["part 1", "new 1", "part 2", "new 2", "part 3", "part 4"]);
  });

  it("predicts twice the time that the first in line has waited", async () => {
    const clock = new WorkingClock();
    const budget = new EventLoopBudget(clock);
    expect(budget.predictedWaitMs()).toBe(0);
    const jobs = [budget.run(() => clock.work(6)), budget.run(() => clock.work(6))];
    clock.work(20);
    expect(budget.predictedWaitMs()).toBe(40);
    await clock.settle();
    await Promise.all(jobs);
    expect(budget.predictedWaitMs()).toBe(0);
  });
});
