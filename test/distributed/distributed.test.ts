import { execFile, execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { runPretraining } from "../../src/pretraining/pretrain.ts";
import { openExecutor } from "../../src/training/executors/open-executor.ts";
import { runAlbert } from "../support/command-line.ts";
import { missing } from "../support/fixtures.ts";
import { moodRows } from "../support/mood-rows.ts";
import { runServer } from "../support/running-server.ts";
import { batchDigests, type Expected, GOLDEN_RUNS, prepareGoldenRun, writeGoldenRun } from "./golden-runs.ts";

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

describe.each(GOLDEN_RUNS)("the run %s", (name) => {
  it("is written file by file as the kept one, with its batches", async () => {
    const directory = join(folder, name);
    const { source } = await writeGoldenRun(name, directory);
    const kept = join(goldens, name);
    const again = "make the goldens anew: node --import tsx scripts/goldens/distributed.ts";
    for (const file of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const path = join(file.parentPath, file.name);
      expect(readFileSync(path).equals(readFileSync(path.replace(directory, kept))), `${path}: ${again}`).toBe(true);
    }
    const { batches }: Expected = JSON.parse(readFileSync(join(kept, "expected.json"), "utf8"));
    expect(await batchDigests(source, batches.length), again).toEqual(batches);
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
    const tuned = join(folder, "tuned");
    const settings = ["--learning-rate", "0.003", "--train-step", "8", "--train-batch-size", "8", "--threads", "1"];
    await runAlbert(
      "train",
      "--task",
      "classification",
      "--init",
      pretrained,
      "--train",
      rows,
      "--output",
      tuned,
      ...settings,
    );
    const server = await runServer({ models: [{ name: "mood", directory: tuned }] });
    try {
      const answer = await server.client.classify({ text: "the cat sleeps" });
      expect(answer.labels.map(({ label }) => label).sort()).toEqual(["negative", "positive"]);
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
    const prepared = await prepareGoldenRun("lamb", copy, copy);
    const outcome = await runPretraining(prepared, {
      ...{ openExecutor, resume: true, logEvery: 50, onEvent: () => {}, clock: () => performance.now() },
    });
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
