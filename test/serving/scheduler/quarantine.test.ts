import { describe, expect, it } from "vitest";
import { Quarantine } from "../../../src/serving/scheduler/quarantine.ts";
import { VirtualClock } from "../virtual-clock.ts";

describe("Quarantine", () => {
  it("forgets first, when it is full, the input that failed longest ago", () => {
    const quarantine = new Quarantine(new VirtualClock(), 1000, 2);
    for (const hash of ["a", "b", "a", "c"]) quarantine.add(hash);
    expect(quarantine.entries().map(({ hash }) => hash)).toEqual(["a", "c"]);
  });

  it("keeps an input that failed again for the whole time from then on, and others no longer than theirs", async () => {
    const clock = new VirtualClock();
    const quarantine = new Quarantine(clock, 1000);
    quarantine.add("a");
    quarantine.add("b");
    await clock.advance(600);
    quarantine.add("a");
    await clock.advance(600);
    expect(quarantine.entries()).toEqual([{ hash: "a", until: 1600 }]);
  });
});
