import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RandomStream } from "../../../src/model/random.ts";
import { AlbertProcess } from "../../support/albert-process.ts";
import { tinyText } from "../../support/english.ts";
import { type TinyFolder, tinyFolder } from "../tiny-run.ts";

/** Kills of the pretraining test. */
const KILLS = Number(process.env["ALBERT_TEST_KILLS"] ?? 5);

let folder: TinyFolder;
beforeAll(() => {
  folder = tinyFolder();
});
afterAll(() => folder.remove());

const at = (...parts: string[]) => join(folder.path, ...parts);
const weights = (output: string) => readFileSync(at(output, "model.safetensors"));

/** A run that has ended by itself, and how long it took from its first sign of life. */
async function complete(args: readonly string[]): Promise<number> {
  const run = new AlbertProcess(...args);
  await run.until(/./);
  const from = performance.now();
  expect(await run.ended(), run.said).toBe(0);
  return performance.now() - from;
}

describe("albert train", () => {
  const rows = Array.from({ length: 40 }, (_, i) =>
    i % 2 ? `a fine film ${"and ".repeat(i % 7)}\t1` : "a dull bore\t0",
  );
  const args = (output: string) => [
    ...["train", "--task", "sst-2", "--train", at("train.tsv"), ...folder.start, "--output", at(output)],
    ...[
      "--train-step",
      "400",
      "--train-batch-size",
      "4",
      "--max-seq-length",
      "16",
      "--dropout",
      "0.1",
      "--eval-share",
      "0",
    ],
    ...["--save-checkpoints-steps", "50", "--learning-rate", "0.01", "--max-restarts", "0", "--threads", "1"],
  ];

  it("leaves a valid checkpoint at SIGINT, from which --resume ends in the same bytes", {
    timeout: 300_000,
  }, async () => {
    folder.write("train.tsv", ["sentence\tlabel", ...rows, ""].join("\n"));
    await complete(args("whole"));
    const run = new AlbertProcess(...args("cut"));
    await run.until(/step \d+\/400/);
    run.kill("SIGINT");
    expect(await run.ended(), run.said).toBe(130);
    const [, stopped] = /stopped at step (\d+); continue with --resume/.exec(run.said) ?? [];
    expect(Number(stopped), run.said).toBeLessThan(400);
    expect(existsSync(at("cut"))).toBe(false);
    const checkpoint = join(`${at("cut")}.run`, "checkpoints");
    expect(existsSync(join(checkpoint, `step-${String(stopped).padStart(9, "0")}`, "manifest.json"))).toBe(true);
    await complete([...args("cut"), "--resume"]);
    expect(weights("cut").equals(weights("whole"))).toBe(true);
  });
});

describe("albert distil", () => {
  const words = "fine lovely dull bore cat dog mat good bad walk".split(" ");
  const text = (i: number) => `a ${words[i % 10]} film and ${words[(i * 7) % 10]} ${"on ".repeat(i % 5)}`;
  const args = (command: string, output: string, steps: number) => [
    ...[command, "--task", "sst-2", "--train", at("labelled.tsv"), "--output", at(output), "--eval-share", "0"],
    ...["--train-step", String(steps), "--train-batch-size", "4", "--max-seq-length", "16", "--warmup-step", "2"],
    ...["--learning-rate", "0.01", "--max-restarts", "0", "--threads", "1", "--dropout", "0.1"],
    ...["--save-checkpoints-steps", "10"],
  ];
  const distil = (output: string) => [
    ...args("distil", output, 200),
    ...["--teacher", at("teacher"), "--unlabelled", at("plain.csv"), "--student", at("tiny.json")],
    ...["--hidden-weight", "1", "--relation-weight", "1"],
  ];

  it("ends in the same bytes when it is killed twice at random instants", { timeout: 300_000 }, async () => {
    const labelled = Array.from({ length: 40 }, (_, i) => `${text(i)}\t${i % 2}`);
    folder.write("labelled.tsv", ["sentence\tlabel", ...labelled, ""].join("\n"));
    folder.write("plain.csv", ["text", ...Array.from({ length: 40 }, (_, i) => text(i + 3)), ""].join("\n"));
    await complete([...args("train", "teacher", 20), ...folder.start]);
    await complete(distil("whole-student"));
    const random = new RandomStream([Date.now() >>> 0, process.pid]);
    for (let kills = 0; kills < 2; kills++) {
      const run = new AlbertProcess(...distil("cut-student"), "--resume");
      await run.until(/step \d+\/200/);
      await Promise.race([wait(random.below(1000)), run.ended()]);
      run.kill("SIGKILL");
      await run.ended();
    }
    if (!existsSync(at("cut-student"))) await complete([...distil("cut-student"), "--resume"]);
    expect(weights("cut-student").equals(weights("whole-student"))).toBe(true);
  });
});

describe("albert pretrain", () => {
  const args = (output: string) => [
    ...["pretrain", "--input", at("text.txt"), "--config", at("tiny.json"), "--vocab", at("vocab.txt")],
    ...["--output", at(output), "--num-train-steps", "120", "--num-warmup-steps", "10", "--train-batch-size", "4"],
    ...[
      "--max-seq-length",
      "16",
      "--max-predictions-per-seq",
      "3",
      "--save-checkpoints-steps",
      "10",
      "--dropout",
      "0.1",
    ],
    ...["--held-out", "0", "--threads", "1"],
  ];

  it(`ends in the same bytes when it is killed ${KILLS} times at random instants`, {
    timeout: 300_000 + KILLS * 60_000,
  }, async () => {
    folder.write(
      "text.txt",
      tinyText(40, () => 6),
    );
    const milliseconds = await complete(args("pretrained"));
    const together = ["--iterations-per-loop", "5"]; // changes no number, so it need not stay the same either
    const random = new RandomStream([Date.now() >>> 0, process.pid]);
    let kills = 0;
    // Several runs share the kills: each begins anew when the one before it has come to its end.
    for (let round = 0; kills < KILLS; round++) {
      const output = `killed-${round}`;
      while (!existsSync(at(output))) {
        if (kills === KILLS) {
          await complete([...args(output), ...together, "--resume"]);
          break;
        }
        const run = new AlbertProcess(...args(output), ...together, "--resume");
        await run.until(/./);
        await Promise.race([wait(random.below(Math.ceil(milliseconds))), run.ended()]);
        run.kill("SIGKILL");
        const end = await run.ended();
        if (end === "SIGKILL") kills++;
        else expect(end, run.said).toBe(0);
      }
      expect(weights(output).equals(weights("pretrained")), `run ${round} after ${kills} kills`).toBe(true);
    }
  });
});
