import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { AlbertError } from "../../../src/errors.ts";
import type { Model } from "../../../src/model/directory/model-directory.ts";
import { openModelDirectory } from "../../../src/model/directory/open-model-directory.ts";
import { writeModelDirectory } from "../../../src/model/directory/write-model-directory.ts";
import { headsOf } from "../../../src/model/heads.ts";
import { createEngine } from "../../../src/runtime/packed-engine.ts";
import { encodeTexts } from "../../../src/tasks/features/sequence.ts";
import { openTaskEvaluator } from "../../../src/training/evaluation/evaluate.ts";
import { openExecutor } from "../../../src/training/executors/open-executor.ts";
import {
  type FineTuneSpec,
  lineageOf,
  prepareFineTune,
  type RunOptions,
  runFineTune,
} from "../../../src/training/fine-tune.ts";
import { planFineTune } from "../../../src/training/plan.ts";
import type { GivenDistillation } from "../../../src/training/settings/distillation.ts";
import { randomNumbers } from "../tiny-training.ts";

vi.setConfig({ testTimeout: 120_000 });

const GOOD = ["fine", "lovely", "good", "bright"];
const BAD = ["dull", "tedious", "bore", "dark"];
const OTHER = ["a", "film", "and", "the", "cat", "sat", "house", "river"];
const WORDS = [...GOOD, ...BAD, ...OTHER];
const TINY = {
  ...{ vocab_size: 24, embedding_size: 8, hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2 },
  ...{ intermediate_size: 32, max_position_embeddings: 32 },
};
/** A teacher with layers of their own. */
const BIG = { ...TINY, hidden_size: 24, num_attention_heads: 4, num_hidden_groups: 2 };

const base = mkdtempSync(join(tmpdir(), "albert-distil-"));
const at = (...parts: string[]) => join(base, ...parts);
const write = (name: string, content: string) => {
  writeFileSync(at(name), content);
  return at(name);
};

/** Sentences of a few words, of which more are good or more are bad. */
function sentences(count: number, seed: number, words: readonly string[] = WORDS): string[] {
  const random = randomNumbers(seed);
  return Array.from({ length: count }, () =>
    Array.from({ length: 4 + Math.floor(random() * 4) }, () => words[Math.floor(random() * words.length)]!).join(" "),
  );
}

function labelOf(sentence: string): "good" | "bad" {
  const score = sentence
    .split(" ")
    .reduce((sum, word) => sum + (GOOD.includes(word) ? 1 : BAD.includes(word) ? -1 : 0), 0);
  return score >= 0 ? "good" : "bad";
}

const labelled = (name: string, texts: readonly string[]) =>
  write(name, ["text,label", ...texts.map((text) => `${text},${labelOf(text)}`), ""].join("\n"));

const held = sentences(80, 5);
let teacherPath: string;
let teacher: Model;

interface Varied extends Partial<Omit<FineTuneSpec, "data">> {
  readonly data?: Partial<FineTuneSpec["data"]>;
}

function specOf(work: string, { data, given, ...more }: Varied = {}): FineTuneSpec {
  return {
    data: { task: "classification", train: at("few.csv"), eval: at("held.csv"), ...data },
    version: "v2",
    start: { kind: "random", architecture: at("tiny.json"), vocabulary: at("vocab.txt") },
    given: {
      ...{ trainBatchSize: 8, trainStep: 60, saveCheckpointsSteps: 30, learningRate: 0.01, maxSeqLength: 16, seed: 3 },
      ...{ dropout: 0, warmupStep: 5, maxRestarts: 0, ...given },
    },
    executor: { kind: "onnx", device: "cpu", threads: 1 },
    work: at(work),
    cache: at("cache"),
    ...more,
  };
}

const distils = (given: GivenDistillation = {}) => ({ distillation: { teacher: teacherPath, given } });
const STUDENT = { start: { kind: "student", architecture: JSON.stringify(TINY) } } as const;

async function run(spec: FineTuneSpec, options: Partial<RunOptions> = {}) {
  const prepared = await prepareFineTune(spec);
  try {
    const outcome = await runFineTune(prepared, {
      ...{ openExecutor, openEvaluator: openTaskEvaluator, resume: false, onEvent: () => {} },
      ...{ clock: () => performance.now(), logEvery: 1, ...options },
    });
    return { prepared, outcome };
  } finally {
    await prepared.close();
  }
}

/** A run's model directory. */
async function made(name: string, spec: FineTuneSpec): Promise<string> {
  const { prepared, outcome } = await run(spec);
  const { config, vocabulary } = prepared.start;
  const { parameters, metrics } = outcome;
  const contents = { name, config, vocabulary, heads: headsOf(prepared.head), parameters, metrics };
  await writeModelDirectory(at(name), { ...contents, lineage: lineageOf(prepared, {}) });
  return at(name);
}

/** Probability of "good" for each text. */
async function probabilities({
  config,
  heads,
  parameters,
  tokenizer,
}: Pick<Model, "config" | "heads" | "parameters" | "tokenizer">) {
  const [head] = heads;
  const engine = await createEngine(
    { config, heads: [head!], parameters },
    { device: "cpu", threads: 1, calibrationMs: 0 },
  );
  try {
    const { outputs } = await engine.run(
      held.map((text) => {
        const { inputIds, tokenTypeIds } = encodeTexts(tokenizer, tokenizer.tokenize(text), undefined, 16);
        return { inputIds, tokenTypeIds, outputs: [head!.name] };
      }),
    );
    return outputs.map((output) => {
      const [bad, good] = output.get(head!.name)!["logits"] as Float32Array;
      return 1 / (1 + Math.exp(bad! - good!));
    });
  } finally {
    await engine.close();
  }
}

/** How far a student's answers to texts that nobody trained on are from the teacher's, on average. */
async function distance(directory: string): Promise<number> {
  const [own, aims] = [await probabilities(await openModelDirectory(directory)), await probabilities(teacher)];
  return own.reduce((sum, value, i) => sum + Math.abs(value - aims[i]!), 0) / own.length;
}

beforeAll(async () => {
  write("tiny.json", JSON.stringify(TINY));
  write("big.json", JSON.stringify(BIG));
  write("vocab.txt", ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...WORDS].join("\n"));
  write("other-vocab.txt", ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...WORDS.toReversed()].join("\n"));
  labelled("many.csv", sentences(200, 1));
  // Of these, most words that matter are missing.
  labelled("few.csv", sentences(16, 2, ["fine", "dull", ...OTHER]));
  labelled("held.csv", held);
  write("plain.csv", ["text", ...sentences(300, 9), ""].join("\n"));
  const big = { kind: "random", architecture: at("big.json"), vocabulary: at("vocab.txt") } as const;
  const data = { train: at("many.csv") };
  teacherPath = await made("teacher", specOf("teacher.run", { start: big, data, given: { trainStep: 200 } }));
  teacher = await openModelDirectory(teacherPath);
}, 120_000);
afterAll(() => rmSync(base, { recursive: true, force: true }));

describe("a student", () => {
  it("learns more of its teacher's answers than from labels alone, and still more from texts without labels", async () => {
    expect(teacher.manifest.metrics!["eval_accuracy"]).toBeGreaterThan(0.85);
    const given = { trainStep: 200 };
    const alone = await distance(await made("alone", specOf("alone.run", { given })));
    const taught = await made("taught", specOf("taught.run", { given, ...distils() }));
    const data = { unlabelled: at("plain.csv") };
    const spec = specOf("unlabelled.run", { given, data, ...STUDENT, ...distils({ studentStart: "random" }) });
    const unlabelled = await made("unlabelled", spec);
    expect(await distance(taught)).toBeLessThan(alone);
    expect(await distance(unlabelled)).toBeLessThan(0.5 * alone);
    const { lineage } = (await openModelDirectory(unlabelled)).manifest;
    expect(lineage).toMatchObject({ teacher: teacher.digest, recipe: { softWeight: 1, temperature: 2 } });
    expect(Object.keys(lineage!.datasets!)).toEqual(["train", "eval", "unlabelled"]);
  });

  it("of another vocabulary learns the teacher's answers, and nothing that needs the same pieces", async () => {
    const start = { kind: "random", architecture: at("tiny.json"), vocabulary: at("other-vocab.txt") } as const;
    const answers = async (spec: FineTuneSpec) => {
      const prepared = await prepareFineTune(spec);
      const records = Array.from(prepared.features.lengths, (_, example) => prepared.features.read(example));
      const read = await Promise.all(records);
      await prepared.close();
      return {
        ids: read.map(({ input_ids: ids }) => [...ids!]),
        answers: read.map(({ teacher_logits: logits }) => [...logits!]),
      };
    };
    const data = { unlabelled: at("plain.csv") };
    const own = await answers(specOf("own.run", { data, ...distils() }));
    const foreign = await answers(specOf("foreign.run", { start, data, ...distils() }));
    expect(foreign.ids).toHaveLength(316);
    expect(foreign.ids).not.toEqual(own.ids);
    expect(foreign.answers).toEqual(own.answers);
    await expect(prepareFineTune(specOf("foreign.run", { start, ...distils({ hiddenWeight: 1 }) }))).rejects.toThrow(
      /same pieces/,
    );
    await expect(
      prepareFineTune(specOf("foreign.run", { start, ...distils({ teacherAnswers: "computed" }) })),
    ).rejects.toThrow(/expected stored/);
  });

  it("gets the same answers stored or computed", async () => {
    const losses = async (teacherAnswers: "stored" | "computed") => {
      const { outcome } = await run(
        specOf(`${teacherAnswers}.run`, { ...distils({ teacherAnswers }), given: { trainStep: 20 } }),
      );
      return outcome.losses;
    };
    const [stored, computed] = [await losses("stored"), await losses("computed")];
    for (const [step, loss] of stored.entries()) expect(computed[step]).toBeCloseTo(loss, 4);
  });

  it("learns values, any number of labels, and a head alone", async () => {
    const score = (text: string) => text.split(" ").filter((word) => GOOD.includes(word)).length;
    const texts = sentences(60, 4);
    write("values.csv", ["text,label", ...texts.map((text) => `${text},${score(text)}`), ""].join("\n"));
    write("several.jsonl", texts.map((text) => JSON.stringify({ text, label: [labelOf(text), "text"] })).join("\n"));
    for (const [file, problemType] of [
      ["values.csv", "regression"],
      ["several.jsonl", "multi-label"],
    ] as const) {
      const data = { train: at(file), eval: at(file), problemType };
      const path = await made(`teacher-${problemType}`, specOf(`t-${problemType}.run`, { data }));
      const distillation = { teacher: path, given: { hardWeight: 0 } };
      const { outcome } = await run(specOf(`s-${problemType}.run`, { data, distillation }));
      expect(outcome.losses.at(-1)).toBeLessThan(outcome.losses[0]!);
    }
    const { prepared, outcome } = await run(
      specOf("head.run", {
        start: { kind: "checkpoint", path: at("taught") },
        ...distils(),
        given: { headOnly: true, trainStep: 10 },
      }),
    );
    expect(prepared.distillation!.settings.teacherAnswers).toBe("stored");
    expect(outcome.losses).toHaveLength(10);
  });
});

describe("a distillation that is interrupted", () => {
  it.each([
    ["stored answers", {}, 60],
    ["hidden states and relations", { hiddenWeight: 1, relationWeight: 1 }, 12],
  ] as const)("ends in the same bytes when it is continued (%s)", async (name, given, trainStep) => {
    const varied = { ...STUDENT, ...distils(given), data: { unlabelled: at("plain.csv") } };
    const settings = { trainStep, saveCheckpointsSteps: 4, dropout: 0.1 };
    const whole = await run(specOf(`${name}.run`, { ...varied, given: settings }));
    const cut = specOf(`${name}-cut.run`, { ...varied, given: settings });
    const abort = new AbortController();
    const stopped = await run(cut, {
      signal: abort.signal,
      beforeStep: (step) => {
        if (step === 7) abort.abort();
      },
    });
    expect(stopped.outcome.stoppedBy).toBe("aborted");
    const resumed = await run(cut, { resume: true });
    expect(resumed.outcome.losses).toHaveLength(trainStep - 7);
    for (const [parameter, { data }] of whole.outcome.parameters) {
      expect(
        Buffer.from(resumed.outcome.parameters.get(parameter)!.data.buffer).equals(Buffer.from(data.buffer)),
        parameter,
      ).toBe(true);
    }
    const other = { ...cut, ...distils({ ...given, temperature: 3 }) };
    await expect(run(other, { resume: true })).rejects.toThrow(/distillation/);
  });
});

describe("hidden states and relations", () => {
  it("come nearer to the teacher's, and their projections belong to no model", async () => {
    const weights = { hardWeight: 0, softWeight: 0, hiddenWeight: 1, relationWeight: 1 };
    const data = { unlabelled: at("plain.csv") };
    const { prepared, outcome } = await run(
      specOf("states.run", { ...STUDENT, data, ...distils(weights), given: { trainStep: 80 } }),
    );
    const mean = (losses: readonly number[]) => losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    expect(mean(outcome.losses.slice(-10))).toBeLessThan(0.7 * mean(outcome.losses.slice(0, 10)));
    expect(outcome.parameters.has("distillation/hidden_projection/kernel")).toBe(true);
    const { config, vocabulary } = prepared.start;
    const contents = {
      name: "states",
      config,
      vocabulary,
      heads: headsOf(prepared.head),
      parameters: outcome.parameters,
    };
    await writeModelDirectory(at("states"), contents);
    expect(
      [...(await openModelDirectory(at("states"))).parameters.keys()].filter((name) => name.startsWith("distil")),
    ).toEqual([]);
  });
});

describe("the plan of a distillation", () => {
  it("says which settings apply and why, and what the teacher takes", async () => {
    const planOf = async (given: GivenDistillation, trainStep: number) => {
      const prepared = await prepareFineTune(
        specOf("plan.run", { ...STUDENT, ...distils(given), given: { trainStep, warmupStep: 0 } }),
      );
      try {
        return planFineTune(prepared);
      } finally {
        await prepared.close();
      }
    };
    const long = await planOf({ temperature: 3 }, 60);
    const settings = Object.fromEntries(long.settings.map(({ name, value, origin }) => [name, [value, origin]]));
    expect(settings["temperature"]).toEqual(["3", "given"]);
    expect(settings["teacher_answers"]).toEqual([
      "stored",
      "the data is passed over 30.0 times, and the teacher answers once",
    ]);
    expect(settings["layer_map"]![0]).toBe("0:0,1:1,2:2");
    expect(settings["relation_heads"]![0]).toBe("4");
    const short = await planOf({}, 2);
    expect(short.settings.find(({ name }) => name === "teacher_answers")).toMatchObject({ value: "computed" });
    expect(short.estimatedMemoryBytes).toBeGreaterThan(long.estimatedMemoryBytes);
  });
});

describe("a distillation is refused", () => {
  it.each<[string, Varied, RegExp]>([
    [
      "a map of blocks that are not there",
      { distillation: { teacher: "", given: { layerMap: ["0:0", "3:2"] } } },
      /layer_map: expected pairs/,
    ],
    [
      "a relation of a block that is not there",
      { distillation: { teacher: "", given: { relationLayer: 3 } } },
      /relation_layer: expected a block of the teacher, 1 to 2/,
    ],
    [
      "heads that do not divide both widths",
      { distillation: { teacher: "", given: { relationHeads: 5 } } },
      /divisor of both hidden sizes, 16 and 24/,
    ],
    [
      "nothing to learn",
      { distillation: { teacher: "", given: { softWeight: 0 } } },
      /nothing is learnt of the teacher/,
    ],
    [
      "states that would be stored",
      { distillation: { teacher: "", given: { hiddenWeight: 1, teacherAnswers: "stored" } } },
      /expected computed/,
    ],
    [
      "a head alone that would learn states",
      { given: { headOnly: true }, distillation: { teacher: "", given: { hiddenWeight: 1 } } },
      /a head alone learns stored answers/,
    ],
  ])("for %s", async (_, varied, message) => {
    const distillation = { ...varied.distillation!, teacher: teacherPath };
    const error = await prepareFineTune(specOf("refused.run", { ...varied, distillation })).catch(
      (caught: unknown) => caught,
    );
    expect(error).toBeInstanceOf(AlbertError);
    const said = (error as AlbertError).violations
      .map(({ field, description }) => `${field}: ${description}`)
      .join("\n");
    expect(said).toMatch(message);
  });

  it("where the teacher has no head for the data", async () => {
    const texts = sentences(20, 8);
    write("stars.csv", ["text,label", ...texts.map((text, i) => `${text},${(i % 3) + 1}`), ""].join("\n"));
    const data = { train: at("stars.csv"), eval: at("stars.csv"), labelsFrom: "data" } as const;
    await expect(prepareFineTune(specOf("stars.run", { data, ...distils() }))).rejects.toThrow(
      /expected a head for single-label over 1, 2, 3.*the teacher has single-label over bad, good/,
    );
  });

  it("with texts without labels for a task that is more than texts", async () => {
    write("plain-questions.csv", "text\nwhat is this\n");
    const rows = Array.from({ length: 20 }, (_, i) => ({
      id: `q${i}`,
      question: "who sat",
      context: "the cat sat",
      answers: [{ text: "cat", answer_start: 4 }],
    }));
    write("qa.jsonl", rows.map((row) => JSON.stringify(row)).join("\n"));
    const data = {
      task: "qa",
      train: at("qa.jsonl"),
      eval: at("qa.jsonl"),
      unlabelled: at("plain-questions.csv"),
    } as const;
    await expect(prepareFineTune(specOf("qa.run", { data, ...distils() }))).rejects.toThrow(
      /needs questions with their answers/,
    );
  });
});
