import { describe, expect, it } from "vitest";
import { QueuedRequest } from "../../../src/serving/scheduler/queued-request.ts";
import { sequence } from "../fake-engine.ts";

describe("a queued request", () => {
  it("ends once: what fails it later changes nothing", async () => {
    const work = { sequences: [sequence(3, 1)], priority: "interactive", deadline: 100 } as const;
    const request = new QueuedRequest(work, { arrivedAt: 0, due: 100 }, { waitMs: 0, runMs: 0, position: 0 });
    let told = 0;
    request.onFailure(() => told++);
    const late = new Error("too late");
    request.fail("deadline", late);
    request.fail("failed", new Error("the batch failed"));
    await expect(request.result).rejects.toBe(late);
    expect([told, request.wanted]).toEqual([1, false]);
  });
});
