import { setTimeout } from "node:timers/promises";
import { openModelDirectory } from "../src/model/directory/open-model-directory.ts";
import { availableThreads } from "../src/runtime/cpu-quota.ts";
import { POOLED_OUTPUT } from "../src/runtime/engine.ts";
import { createEngine } from "../src/runtime/packed-engine.ts";
import { startPython } from "./python-lines.ts";
import { rounded, timingOf } from "./timing.ts";

const ROUNDS = 7;
/** Threads of either side may still wait in a loop for their next work; they sleep by then. */
const SETTLE_MS = 60;

/** Lengths of one batch each; the last has 32 texts as sentences are: many short, a few long. */
const BATCHES: Readonly<Record<string, readonly number[]>> = {
  "1x16": [16],
  "1x128": [128],
  "8x128": Array.from({ length: 8 }, () => 128),
  "32 sentences": Array.from({ length: 32 }, (_, i) => Math.round(8 * 16 ** (i / 31))),
};

/**
 * A model directory here and in transformers, on as many threads, batch by batch in turn: forward passes over ids that are there
 * already, on the device cpu or `--device openvino`. Needs `--model DIR` and `--python PYTHON` with torch and transformers.
 */
export async function benchTransformers(
  _: ReadonlySet<string>,
  { model: directory, python, device }: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  if (typeof directory !== "string" || typeof python !== "string") return "not run: it needs --model and --python";
  const model = await openModelDirectory(directory);
  const threads = availableThreads();
  const chosen = device === "openvino" ? device : "cpu";
  const engine = await createEngine(model, { device: chosen, threads, calibrationMs: 0 });
  const theirs = startPython(python, "serving_transformers.py", String(threads), directory);
  try {
    await theirs.next(); // it has loaded the model
    const results: Record<string, unknown> = { model: model.manifest.name, digest: model.digest, device: chosen };
    const outputs = [model.heads[0]?.name ?? POOLED_OUTPUT];
    for (const [name, lengths] of Object.entries(BATCHES)) {
      const sequences = lengths.map((length) => ({
        inputIds: Int32Array.from({ length }, (_value, i) => 5 + ((i * 7_919) % (model.config.vocabSize - 5))),
        tokenTypeIds: new Int32Array(length),
        outputs,
      }));
      const ours: number[] = [];
      const others: number[] = [];
      for (let round = -2; round < ROUNDS; round++) {
        await setTimeout(SETTLE_MS);
        const started = performance.now();
        await engine.run(sequences);
        const mine = performance.now() - started;
        await setTimeout(SETTLE_MS);
        const other = Number(await theirs.ask(lengths));
        if (round < 0) continue; // both warm up
        ours.push(mine);
        others.push(other);
      }
      const [here, there] = [timingOf(ours), timingOf(others)];
      results[name] = {
        ms: here,
        transformersMs: there,
        timesAsFast: { best: rounded(there.best / here.best), p50: rounded(there.p50 / here.p50) },
      };
    }
    return results;
  } finally {
    theirs.stop();
    await engine.close();
  }
}
