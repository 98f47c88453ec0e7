import { execFile, execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { runAlbert } from "../support/command-line.ts";
import { missing } from "../support/fixtures.ts";
import { moodRows } from "../support/mood-rows.ts";
import { runServer } from "../support/running-server.ts";
import { batchDigests, type Expected, GOLDEN_RUNS, prepareGoldenRun } from "./golden-runs.ts";

// Training by PyTorch on many machines: what it is given, and, where there is a Python with PyTorch, what it makes of that.

const root = join(import.meta.dirname, "../../distributed");
const goldens = join(root, "tests/goldens");
const folder = mkdtempSync(join(tmpdir(), "albert-distributed-"));
afterAll(() => rmSync(folder, { recursive: true }));
const run = promisify(execFile);

it("keeps a golden run of each kind, and no other", () => {
  expect(readdirSync(goldens).sort()).toEqual([...GOLDEN_RUNS].sort());
});

it("has the version of the whole package", () => {
  const { version } = JSON.parse(readFileSync(join(root, "../package.json"), "utf8"));
  expect(readFileSync(join(root, "pyproject.toml"), "utf8")).toContain(`version = "${version}"`);
});

it("hands over no fine-tune that the other trainer does not know, and says what of it", async () => {
  const wrong = ["--seeds", "2", "--ema-decay", "0.9", "--head-only", "--unfreeze-step", "5"];
  const files = ["--init", "nowhere", "--train", "nothing.json", "--output", join(folder, "never"), "--distributed"];
  const refused = runAlbert("train", "--task", "race", ...files, ...wrong);
  await expect(refused).rejects.toThrow(/seeds: .*unfreeze_step: .*head_only: .*ema_decay: .*task: .* but race/);
  const planned = runAlbert("train", "--task", "sst-2", ...files, "--plan");
  await expect(planned).rejects.toThrow("distributed: writes a run and stops: leave --plan and --resume out");
});

describe.each(GOLDEN_RUNS)("the run %s", (name) => {
  it("is written file by file as the kept one, with its batches", async () => {
    const directory = join(folder, name);
    const prepared = await prepareGoldenRun(name, directory, `${directory}.work`);
    await prepared.write(directory);
    const kept = join(goldens, name);
    const again = "make the goldens anew: node --import tsx scripts/goldens/distributed.ts";
    for (const file of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const path = join(file.parentPath, file.name);
      expect(readFileSync(path).equals(readFileSync(path.replace(directory, kept))), `${path}: ${again}`).toBe(true);
    }
    const { batches }: Expected = JSON.parse(readFileSync(join(kept, "expected.json"), "utf8"));
    expect(await batchDigests(prepared.source, batches.length), again).toEqual(batches);
    await prepared.close();
  });
});

/** A Python that can import these, where there is one; `ALBERT_TEST_PYTHON` names another than `python3`. */
function pythonWith(modules: string): string | undefined {
  const command = process.env["ALBERT_TEST_PYTHON"] ?? "python3";
  try {
    execFileSync(command, ["-c", `import ${modules}`], { stdio: "ignore" });
    return command;
  } catch {
    return undefined;
  }
}

const python = pythonWith("torch, safetensors, pytest");
const env = { ...process.env, PYTHONPATH: join(root, "src"), PYTHONDONTWRITEBYTECODE: "1", OMP_NUM_THREADS: "1" };

describe.skipIf(missing("Python with torch, safetensors and pytest", python))("the trainer on PyTorch", () => {
  it("passes its own tests", async () => {
    const { stdout } = await run(python!, ["-m", "pytest", "-q", "-p", "no:cacheprovider"], { cwd: root, env }).catch(
      (error) => error,
    );
    expect(stdout).toMatch(/^\d+ passed in/m);
  }, 1_800_000);

  it("makes a model that is imported, fine-tuned and served", async () => {
    const copy = join(folder, "copy");
    cpSync(join(goldens, "lamb"), copy, { recursive: true });
    const result = join(folder, "result");
    const both = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"];
    await run(python!, [...both, "-m", "albert_distributed", copy, "--output", result, "--device", "cpu"], { env });
    const pretrained = join(folder, "pretrained");
    await runAlbert("import", result, "--output", pretrained);
    const rows = join(folder, "rows.jsonl");
    writeFileSync(rows, moodRows(60));
    const settings = ["--learning-rate", "0.003", "--train-step", "8", "--train-batch-size", "8", "--threads", "1"];
    const task = ["--task", "classification", "--init", pretrained, "--train", rows, ...settings];
    const alone = join(folder, "alone");
    await runAlbert("train", ...task, "--output", alone);
    const handed = join(folder, "handed");
    await runAlbert("train", ...task, "--output", handed, "--distributed");
    const tuned = join(folder, "tuned-result");
    await run(python!, [...both, "-m", "albert_distributed", handed, "--output", tuned, "--device", "cpu"], { env });
    const ended = join(folder, "ended");
    const { out } = await runAlbert("train", ...task, "--work", handed, "--resume", "--output", ended);
    expect(out).toContain("eval_accuracy = ");
    const imported = join(folder, "imported");
    await runAlbert("import", tuned, "--output", imported);
    const models = [alone, ended, imported].map((directory) => ({ name: basename(directory), directory }));
    const server = await runServer({ models });
    try {
      for (const { name } of models) {
        const answer = await server.client.classify({ options: { model: name }, text: "the cat sleeps" });
        expect(answer.labels.map(({ label }) => label).sort()).toEqual(["negative", "positive"]);
      }
    } finally {
      await server.close();
    }
  }, 300_000);

  it("leaves checkpoints from which this trainer goes on", async () => {
    const copy = join(folder, "lamb-begun");
    cpSync(join(goldens, "lamb"), copy, { recursive: true });
    const begun = [
      "-m",
      "albert_distributed",
      copy,
      "--output",
      `${copy}.result`,
      "--device",
      "cpu",
      "--max-steps",
      "20",
    ];
    await run(python!, begun, { env });
    const outcome = await (await prepareGoldenRun("lamb", copy, copy)).train();
    const { losses }: Expected = JSON.parse(readFileSync(join(goldens, "lamb/expected.json"), "utf8"));
    expect(outcome.losses).toHaveLength(30);
    for (const [i, loss] of outcome.losses.entries()) expect(loss).toBeCloseTo(losses[20 + i]!, 3);
  }, 300_000);
});

describe.skipIf(missing("Python with torch and mypy", pythonWith("torch, mypy")))("the trainer's sources", () => {
  it("are typed", async () => {
    const cache = join(folder, "mypy");
    const { stdout } = await run(python!, ["-m", "mypy", "--cache-dir", cache], { cwd: root, env }).catch(
      (error) => error,
    );
    expect(stdout).toContain("Success: no issues found");
  }, 300_000);
});
