import { describe, expect, it } from "vitest";
import { sparkText } from "../../src/cli/status-line.ts";
import { saidToWait, WorkProgress } from "../../src/cli/work-progress.ts";

class Written {
  text = "";
  readonly isTTY: boolean;
  readonly columns = 80;
  constructor(isTTY = false) {
    this.isTTY = isTTY;
  }
  write(text: string): void {
    this.text += text;
  }
}

describe("the progress of work", () => {
  it("is a few plain lines in a pipe, none where it is soon over", () => {
    let now = 0;
    const stream = new Written();
    const progress = new WorkProgress(stream, "examples", () => now);
    for (now = 0; now <= 25_000; now += 500) progress.show(now / 500, 100, "more");
    progress.close();
    expect(stream.text.split("\n")).toEqual([
      "4/100 examples  48s left  more",
      "24/100 examples  38s left  more",
      "44/100 examples  28s left  more",
      "",
    ]);
    const short = new Written();
    now = 0;
    const quick = new WorkProgress(short, "examples", () => now);
    for (now = 0; now < 2_000; now += 100) quick.show(now / 100, 20);
    quick.close();
    expect(short.text).toBe("");
  });

  it("is one line that is written over on a terminal", () => {
    const terminal = new Written(true);
    const progress = new WorkProgress(terminal, "files", () => 0);
    progress.show(1, 2);
    progress.show(2, 2);
    progress.close();
    expect(terminal.text.split("\r").at(-1)).toMatch(/^\[#+\] {2}2\/2 files *\n$/);
  });

  it("says of work that tells nothing that it goes on", async () => {
    const stream = new Written();
    const work = new Promise<string>((resolve) => setTimeout(() => resolve("done"), 2_600));
    expect(await saidToWait("the server compares", work, stream, 100)).toBe("done");
    expect(stream.text).toMatch(/^the server compares: [23]s\n$/);
    await expect(saidToWait("it", Promise.reject(new Error("no")), stream)).rejects.toThrow("no");
  }, 10_000);
});

describe("the course of a number", () => {
  it("is drawn from its least to its most, in the room that there is", () => {
    expect(sparkText([0, 1, 2, 3, 4, 5, 6, 7])).toBe("▁▂▃▄▅▆▇█");
    expect(sparkText([9, 9, 1, 0], 2)).toBe("█▁");
    expect([sparkText([]), sparkText([1]), sparkText([2, 2])]).toEqual(["", "", "▁▁"]);
  });
});
