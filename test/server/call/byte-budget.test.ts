import { describe, expect, it } from "vitest";
import { ByteBudget, CallBytes } from "../../../src/server/call/byte-budget.ts";

describe("the byte budget of a listener", () => {
  it("refuses a request that does not fit in addition to what is held, and says when to come back", () => {
    const budget = new ByteBudget(100);
    budget.acquire(60);
    expect(() => budget.acquire(41)).toThrow(
      expect.objectContaining({
        code: "overloaded",
        reason: "MEMORY_BUDGET",
        metadata: { limit_bytes: "100" },
        retryAfterMs: expect.any(Number),
      }),
    );
    budget.acquire(40);
    expect(budget.held).toBe(100);
  });

  it("lets a message in that is larger than all of it when nothing else is held, however it arrives", () => {
    const whole = new ByteBudget(10);
    whole.acquire(50);
    expect(whole.held).toBe(50);
    const piecewise = new ByteBudget(10);
    const call = new CallBytes(piecewise);
    for (let i = 0; i < 5; i++) call.grow(10);
    expect(piecewise.held).toBe(50);
    expect(() => new CallBytes(piecewise).grow(1)).toThrow("messages in progress");
  });

  it("takes every reply, but leaves less room for requests meanwhile", () => {
    const budget = new ByteBudget(100);
    const call = new CallBytes(budget);
    call.hold(500);
    expect(() => budget.acquire(1)).toThrow("messages in progress");
    call.releaseReply(500);
    budget.acquire(100);
  });
});

describe("the byte accounting of a call", () => {
  it("returns messages oldest first, then all at the end, once", () => {
    const budget = new ByteBudget(100);
    const call = new CallBytes(budget);
    call.acquire(10);
    call.acquire(20);
    call.hold(5);
    call.releaseOldest();
    expect(budget.held).toBe(25);
    call.close();
    call.close();
    expect(budget.held).toBe(0);
  });

  it("counts nothing after its end", () => {
    const budget = new ByteBudget(100);
    const call = new CallBytes(budget);
    call.close();
    call.acquire(10);
    call.grow(10);
    call.hold(10);
    call.releaseReply(10);
    expect(budget.held).toBe(0);
  });
});
