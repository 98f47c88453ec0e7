import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { JobProgress } from "../../src/cli/admin/job-progress.ts";
import { barText, fitting, StatusLine } from "../../src/cli/status-line.ts";
import { TrainingProgressBar } from "../../src/cli/training/training-progress.ts";
import { JobEventSchema, JobState } from "../../src/gen/albert/v1/training_pb.js";

/** A terminal of so many cells that shows what is on it: it knows "\r", "\n" and wrapping at its edge, and nothing else. */
class FakeTerminal {
  readonly isTTY = true;
  columns: number;
  lines: string[] = [""];
  #column = 0;

  constructor(columns: number) {
    this.columns = columns;
  }

  write(text: string): void {
    for (const character of text) {
      if (character === "\n") {
        this.lines.push("");
        this.#column = 0;
      } else if (character === "\r") this.#column = 0;
      else {
        if (this.#column === this.columns) {
          this.lines.push("");
          this.#column = 0;
        }
        const line = this.lines.at(-1)!.padEnd(this.#column);
        this.lines[this.lines.length - 1] = line.slice(0, this.#column) + character + line.slice(this.#column + 1);
        this.#column++;
      }
    }
  }

  get shown(): string[] {
    return this.lines.map((line) => line.trimEnd());
  }
}

class FakePipe {
  text = "";
  write(text: string): void {
    this.text += text;
  }
}

const step = (number: number) => ({
  kind: "step_metrics" as const,
  step: number,
  loss: 0.5,
  learningRate: 2e-5,
  tokensPerSecond: 1234,
  etaSeconds: [60, 80] as const,
});

// The fields that are shown; a run's events have more.
const eventOf = (value: object) => value as never;

describe("a training run on a terminal", () => {
  it.each([200, 80, 40, 20])("of %i cells keeps its last lines apart from each other", (columns) => {
    const terminal = new FakeTerminal(columns);
    const bar = new TrainingProgressBar(terminal);
    bar.activity("reading");
    bar.show(eventOf({ kind: "started", totalSteps: 300, firstStep: 0 }));
    bar.show(eventOf(step(10)));
    bar.show(eventOf({ kind: "eval_result", step: 10, metrics: { acc: 0.5 }, best: true }));
    bar.show(eventOf(step(300)));
    bar.say("end");
    bar.close();
    terminal.write("model\n");
    const [first, evaluated, end, status, model, ...rest] = terminal.shown.filter((_, i) =>
      columns >= 40 ? true : ![2].includes(i),
    );
    expect(first).toBe("reading");
    expect(evaluated).toMatch(/^step 10: acc 0\.5/);
    expect(end).toBe("end");
    expect(status).toMatch(/300\/300/);
    expect(status!.length).toBeLessThan(columns);
    expect([model, ...rest]).toEqual(["model", ""]);
    if (columns >= 80) expect(status).toMatch(/loss 0\.5000.*1m10s left$/);
  });

  it("writes no control sequence, and lines now and then where there is no terminal", () => {
    const pipe = new FakePipe();
    const bar = new TrainingProgressBar(pipe);
    bar.show(eventOf({ kind: "started", totalSteps: 300, firstStep: 0 }));
    for (let i = 10; i <= 300; i += 10) bar.show(eventOf(step(i)));
    bar.close();
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
    expect(pipe.text).not.toMatch(/[\r\u001b]/);
    expect(pipe.text.trimEnd().split("\n")).toEqual([
      "step 10/300  loss 0.5000  lr 2.00e-5  1234 tokens/s  1m10s left",
      "step 300/300  loss 0.5000  lr 2.00e-5  1234 tokens/s  1m10s left",
    ]);
  });
});

describe("a watched job", () => {
  const progress = (number: number) => ({
    step: number,
    totalSteps: 170,
    loss: 0.4,
    tokensPerSecond: 10,
    etaSeconds: 5,
  });
  const event = (kind: string, more: object = {}) => create(JobEventSchema, { kind, summary: "", ...more });

  it("is a few plain lines in a pipe, with the reasons of its gate", () => {
    const pipe = new FakePipe();
    const view = new JobProgress(pipe);
    view.show(
      event("state_changed", { transition: { from: JobState.QUEUED, to: JobState.RUNNING, reason: "", detail: "" } }),
    );
    for (let i = 1; i <= 170; i++) {
      view.show(event("step_metrics", { summary: `step ${i}`, progress: progress(i) }));
      if (i % 10 === 0) view.show(event("checkpoint_written", { summary: "checkpoint" }));
    }
    const findings = { findings: ["the difference is within chance"] };
    view.show(event("gate_result", { summary: "gate: inconclusive", detailJson: JSON.stringify(findings) }));
    view.close();
    expect(pipe.text.trimEnd().split("\n")).toEqual([
      "running",
      "step 1/170  loss 0.4000  10 tokens/s  5s left",
      "step 170/170  loss 0.4000  10 tokens/s  5s left",
      "gate: inconclusive",
      "  the difference is within chance",
    ]);
  });

  it("is one line that is written over on a terminal", () => {
    const terminal = new FakeTerminal(100);
    const view = new JobProgress(terminal);
    for (const i of [1, 100, 170]) view.show(event("step_metrics", { progress: progress(i) }));
    view.show(event("warning", { summary: "the loss still falls" }));
    view.close();
    expect(terminal.shown).toEqual([
      "warning: the loss still falls",
      `${barText(170, 170)}  170/170  loss 0.4000  ▁▁▁  10 tokens/s  5s left`,
      "",
    ]);
  });
});

it("a status shrinks with the window and hides what was longer", () => {
  const terminal = new FakeTerminal(30);
  const line = new StatusLine(terminal);
  const parts = (text: string) => [
    { text, rank: 0 },
    { text: "more of it", rank: 1 },
  ];
  line.update(parts("a long beginning"));
  line.update(parts("short"));
  expect(terminal.shown).toEqual(["short  more of it"]);
  terminal.columns = 12;
  line.update(parts("short"));
  line.close();
  expect(terminal.shown[0]!.startsWith("short")).toBe(true);
  expect(fitting(parts("0123456789"), 5)).toBe("01234");
});
