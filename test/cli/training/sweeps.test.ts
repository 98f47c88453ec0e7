import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { AlbertProcess } from "../../support/albert-process.ts";
import { albert, tinyFolder } from "../tiny-run.ts";

const folder = tinyFolder();
afterAll(() => folder.remove());

const rows = Array.from({ length: 60 }, (_, i) =>
  JSON.stringify({ text: `film ${i % 2 === 0 ? "good" : "bad"} cat ${i % 7}`, label: i % 2 === 0 ? "up" : "down" }),
);
const data = folder.write("rows.jsonl", rows.join("\n"));
const at = (...parts: string[]) => join(folder.path, ...parts);
const flags = (output: string, ...more: readonly string[]) => [
  ...["sweep", "--task", "classification", "--train", data, ...folder.start, "--threads", "1", "--eval-share", "0.3"],
  ...["--train-step", "9", "--train-batch-size", "8", "--max-seq-length", "16", "--warmup-step", "0"],
  ...["--output", at(output), ...more],
];
const GRID = ["--method", "grid", "--vary", "learning_rate=0.00001,0.03,0.02"];
const weights = (output: string) => readFileSync(at(output, "model.safetensors"));
const state = (output: string) => JSON.parse(readFileSync(at(`${output}.run`, "sweep.json"), "utf8"));

describe("albert sweep", { timeout: 120_000 }, () => {
  it("tries a grid, keeps the best by the evaluation data, and goes on after a kill to the same bytes", async () => {
    const whole = await albert(...flags("whole", ...GRID, "--json"));
    expect(whole.error).toBeUndefined();
    const { sweep, metrics } = JSON.parse(whole.printed);
    expect(sweep.trials.map(({ settings }: { settings: object }) => settings)).toEqual([
      { learning_rate: "0.00001" },
      { learning_rate: "0.03" },
      { learning_rate: "0.02" },
    ]);
    const values = sweep.trials.map(({ judged }: { judged: Record<string, number>[] }) => judged[0]!["eval_accuracy"]);
    expect(metrics.eval_accuracy).toBe(Math.max(...values));
    expect(values.indexOf(Math.max(...values)) + 1).toBe(sweep.best);
    expect(sweep.best).not.toBe(1); // the smallest rate
    // Of the others figures and logs are left, no weights.
    const withWeights = readdirSync(at("whole.run")).filter((name) => existsSync(at("whole.run", name, "checkpoints")));
    expect(withWeights).toEqual([`trial-00${sweep.best}`]);
    expect(existsSync(at("whole.run", "trial-001", "events.jsonl"))).toBe(true);

    const killed = new AlbertProcess(...flags("killed", ...GRID));
    await killed.until(/trial 2 of 3/);
    killed.kill("SIGKILL");
    await killed.ended();
    expect(existsSync(at("killed"))).toBe(false);
    expect(state("killed").trials[0].judged).toHaveLength(1);
    const again = await albert(...flags("killed", ...GRID));
    expect(again.error).toMatch(/holds a sweep: resume it, or choose another directory/);
    const other = await albert(...flags("killed", "--method", "grid", "--vary", "dropout=0,0.1", "--resume"));
    expect(other.error).toMatch(/holds a sweep of other settings/);
    const resumed = await albert(...flags("killed", ...GRID, "--resume"));
    expect(resumed.error).toBeUndefined();
    expect(resumed.said).not.toMatch(/trial 1 of 3/);
    expect(resumed.printed).toMatch(/^ +TRIAL +learning_rate +eval_accuracy +STEPS +STATE$/m);
    expect(resumed.printed).toMatch(new RegExp(`^\\* +${sweep.best} .* kept$`, "m"));
    expect(state("killed").trials).toEqual(state("whole").trials);
    expect(weights("killed").equals(weights("whole"))).toBe(true);
  });

  it("by halving trains the better ones further, and the plan says how far", async () => {
    const asked = [
      ...["--method", "halving", "--trials", "3", "--vary", "learning_rate=log:1e-6..0.1"],
      ...["--save-checkpoints-steps", "9"],
    ];
    const plan = await albert(...flags("halved", ...asked, "--plan"));
    expect(plan.error).toBeUndefined();
    expect(plan.printed).toMatch(/^trial-001 {2}learning_rate=[\d.e-]+$/m);
    expect(plan.printed).toContain("3 trials, in all the steps of 1.67 whole runs: 3 to 33.3 %, 1 to 100 %");
    expect(existsSync(at("halved.run", "sweep.json"))).toBe(false);
    const { error } = await albert(...flags("halved", ...asked));
    expect(error).toBeUndefined();
    const { trials, best } = state("halved");
    expect(trials.map(({ step }: { step: number }) => step).sort()).toEqual([3, 3, 9]);
    expect(trials[best - 1]).toMatchObject({ step: 9, state: "held" });
    // What goes on, goes on from where it was.
    const log = readFileSync(at("halved.run", `trial-00${best}`, "events.jsonl"), "utf8");
    expect(log).toContain('"kind":"resumed","step":3');
  });

  it("refuses what cannot be tried before anything is read", async () => {
    const refused = async (...more: string[]) => (await albert(...flags("refused", ...more))).error;
    expect(await refused("--vary", "dropout=0.1,2")).toMatch(
      /vary dropout: expected a number >= 0 and below 1, got "2"/,
    );
    expect(await refused("--vary", "max_seq_length=16,32")).toMatch(/vary max_seq_length: is varied and fixed/);
    expect(await refused("--vary", "num_train_epochs=1,2")).toMatch(
      /train_step: excludes num_train_epochs: .* \(trial 1\)/,
    );
    expect(existsSync(at("refused.run"))).toBe(false);
  });
});
