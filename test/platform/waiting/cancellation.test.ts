import { describe, expect, it } from "vitest";
import { CancellationSource } from "../../../src/platform/waiting/cancellation.ts";

describe("a cancellation", () => {
  it("tells its listeners once, with the first reason, and none that came too late or left", () => {
    const source = new CancellationSource();
    const heard: string[] = [];
    const left = () => heard.push("left");
    source.addEventListener("abort", () => heard.push(`first: ${source.reason}`));
    source.addEventListener("abort", left);
    source.addEventListener("abort", () => heard.push("second"));
    source.removeEventListener("abort", left);
    source.throwIfAborted();
    expect(source.aborted).toBe(false);
    source.abort("gone");
    source.abort("again");
    source.addEventListener("abort", () => heard.push("late"));
    expect(heard).toEqual(["first: gone", "second"]);
    expect([source.aborted, source.reason]).toEqual([true, "gone"]);
    expect(() => source.throwIfAborted()).toThrow("gone");
  });

  it("is a signal of the runtime's own for those who need one, whenever they ask", () => {
    const before = new CancellationSource();
    const { signal } = before;
    expect([signal.aborted, before.signal === signal]).toEqual([false, true]);
    before.abort("gone");
    expect([signal.aborted, signal.reason]).toEqual([true, "gone"]);
    const after = new CancellationSource();
    after.abort("gone");
    expect([after.signal.aborted, after.signal.reason]).toEqual([true, "gone"]);
  });
});
