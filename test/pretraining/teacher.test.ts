import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openModelDirectory } from "../../src/model/directory/open-model-directory.ts";
import { DEFAULT_PRETRAINING_SETTINGS, type PretrainingSettings } from "../../src/pretraining/hyperparameters.ts";
import {
  type PretrainOptions,
  type PretrainSpec,
  preparePretraining,
  pretrainingLineage,
  runPretraining,
} from "../../src/pretraining/pretrain.ts";
import type { TrainingEvent } from "../../src/training/events.ts";
import { openExecutor } from "../../src/training/executors/open-executor.ts";
import { tinyText, tinyVocabulary } from "../support/english.ts";
import { ALL_HEADS, writeTinyModel } from "../support/models/tiny-model-directory.ts";

const folder = mkdtempSync(join(tmpdir(), "albert-taught-"));
const text = join(folder, "text.txt");
let teacher: string;
beforeAll(async () => {
  teacher = await writeTinyModel(ALL_HEADS, 9);
  writeFileSync(
    text,
    tinyText(40, () => 5),
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const STUDENT = JSON.stringify({
  ...{ embedding_size: 8, hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 16 },
  max_position_embeddings: 64,
});

function specOf(
  work: string,
  settings: Partial<PretrainingSettings> = {},
  more: Partial<PretrainSpec> = {},
): PretrainSpec {
  return {
    start: { kind: "student", architecture: STUDENT },
    ...{ teacher, files: [text], work: join(folder, work), cache: join(folder, "cache") },
    settings: {
      ...DEFAULT_PRETRAINING_SETTINGS,
      ...{ numTrainSteps: 24, numWarmupSteps: 2, trainBatchSize: 8, maxSeqLength: 32, learningRate: 0.01, seed: 5 },
      ...{ saveCheckpointsSteps: 6, optimizer: "adamw-corrected", heldOut: 0.1, tokenBudget: 128, ...settings },
    },
    executor: { kind: "onnx", device: "cpu", threads: 1 },
    ...more,
  };
}

async function pretrain(spec: PretrainSpec, more: Partial<PretrainOptions> = {}) {
  const prepared = await preparePretraining(spec);
  const events: TrainingEvent[] = [];
  const outcome = await runPretraining(prepared, {
    ...{ openExecutor, resume: false, logEvery: 1, clock: () => performance.now() },
    onEvent: (event) => events.push(event),
    ...more,
  });
  return { prepared, outcome, events };
}

const bytesOf = (parameters: ReadonlyMap<string, { readonly data: Float32Array }>) =>
  Object.fromEntries(
    [...parameters].map(([name, { data }]) => [name, Buffer.from(data.slice().buffer).toString("base64")]),
  );

describe("pretraining with a teacher", { timeout: 120_000 }, () => {
  it("brings the student nearer to what the teacher expects, from text alone", async () => {
    const { prepared, outcome, events } = await pretrain(specOf("learns", { hardWeight: 0, numTrainSteps: 60 }));
    const lacking = events.flatMap((event) => (event.kind === "step_metrics" ? [event.metrics["soft_loss"]!] : []));
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(lacking.slice(-8))).toBeLessThan(0.8 * mean(lacking.slice(0, 8)));
    expect(outcome.metrics["masked_lm_loss"]).toBeGreaterThan(0);
    const { digest, tokenizer } = await openModelDirectory(teacher);
    expect(prepared.start.tokenizer.digest).toBe(tokenizer.digest);
    expect(pretrainingLineage(prepared)).toMatchObject({ teacher: digest, recipe: { temperature: 2, hardWeight: 0 } });
  });

  it("ends in the same bytes when interrupted and resumed, and goes on with no other teacher", async () => {
    const whole = await pretrain(specOf("whole", { dropout: 0.1 }));
    const abort = new AbortController();
    const beforeStep = (step: number) => (step === 13 ? abort.abort() : undefined);
    await pretrain(specOf("cut", { dropout: 0.1 }), { signal: abort.signal, beforeStep });
    const other = await writeTinyModel(ALL_HEADS, 10);
    await expect(pretrain(specOf("cut", { dropout: 0.1 }, { teacher: other }), { resume: true })).rejects.toThrow(
      /another run/,
    );
    const resumed = await pretrain(specOf("cut", { dropout: 0.1 }), { resume: true });
    expect(bytesOf(resumed.outcome.parameters)).toEqual(bytesOf(whole.outcome.parameters));
  });

  it("is refused for a teacher that expects no words, or cuts text otherwise, and for settings without one", async () => {
    const silent = await writeTinyModel(ALL_HEADS.slice(0, 1), 2);
    await expect(preparePretraining(specOf("silent", {}, { teacher: silent }))).rejects.toThrow(
      /no masked-lm head.*its heads: sentiment \(classification\)/,
    );
    const vocabulary = join(folder, "other.model");
    writeFileSync(vocabulary, tinyVocabulary());
    const config = join(folder, "student.json");
    writeFileSync(config, STUDENT);
    const start = { kind: "random", architecture: config, vocabulary } as const;
    await expect(preparePretraining(specOf("other", {}, { start }))).rejects.toThrow(/other pieces than the student/);
    const { teacher: _, ...alone } = specOf("alone", { temperature: 3 }, { start });
    await expect(preparePretraining(alone)).rejects.toThrow(/counts with a teacher, and there is none/);
    const { teacher: __, ...without } = specOf("without");
    await expect(preparePretraining(without)).rejects.toThrow(/needs a teacher/);
    await expect(preparePretraining(specOf("long", { maxSeqLength: 65 }))).rejects.toThrow(/64/);
  });
});
