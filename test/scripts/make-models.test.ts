import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exportHuggingFace } from "../../src/model/checkpoint/export-checkpoint.ts";
import type { Vocabulary } from "../../src/model/directory/vocabulary.ts";
import { parseModelConfig } from "../../src/model/families/families.ts";
import { initialiseParameters } from "../../src/model/initialise.ts";
import { modelParameters } from "../../src/model/parameters.ts";
import { tinyText } from "../support/english.ts";
import { missing } from "../support/fixtures.ts";

const root = resolve(import.meta.dirname, "../..");

/** Values that make a run a matter of seconds. */
const SMALL = {
  texts: { pretraining: "text", cloze: "text" },
  vocabulary: { vocab_size: 70 },
  architecture: { vocab_size: 70, hidden_size: 16, embedding_size: 8, intermediate_size: 32, num_attention_heads: 2 },
  pretraining: {
    num_train_steps: 4,
    num_warmup_steps: 1,
    train_batch_size: 4,
    max_seq_length: 32,
    curriculum: "32:0.5",
    save_checkpoints_steps: 2,
    eval_instances: 4,
  },
  sentiment: {
    max_seq_length: 16,
    train_batch_size: 4,
    num_train_epochs: 1,
    save_checkpoints_steps: 5,
  },
  "held-out-sentences": { count: 4 },
};

describe("npm run make-models -- --base", () => {
  const base = mkdtempSync(join(tmpdir(), "albert-make-from-"));
  const work = join(base, "work");
  const put = (path: string, content: string) => {
    mkdirSync(dirname(join(base, path)), { recursive: true });
    writeFileSync(join(base, path), content);
  };
  afterAll(() => rmSync(base, { recursive: true, force: true }));

  it("makes fine-tunes and the encoder itself, as int8 with one file of word embeddings, scores them and goes on", async () => {
    execFileSync(process.execPath, [join(root, "scripts/build.mjs")], { cwd: root, stdio: "inherit" });
    const words = ["big", "cat", "did", "walk", "old", "tree", "in", "sleep", "a", "an"];
    const vocabulary: Vocabulary = {
      ...{ kind: "wordpiece", lowerCase: true },
      bytes: Buffer.from(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...words, ""].join("\n")),
    };
    const { config } = parseModelConfig(
      {
        ...{ model_type: "bert", vocab_size: 15, hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2 },
        ...{ intermediate_size: 32, max_position_embeddings: 32, hidden_act: "gelu" },
      },
      "config.json",
    );
    const parameters = initialiseParameters(modelParameters(config, []), 1);
    const encoding = { pooling: "mean", normalize: true } as const;
    await exportHuggingFace(join(base, "encoder"), { config, heads: [], parameters, vocabulary, encoding });
    const rows = Array.from({ length: 20 }, (_, i) =>
      i % 2 === 0 ? `a big cat did walk ${i}\t1` : `an old tree in sleep ${i}\t0`,
    );
    for (const split of ["train", "dev"]) put(`data/glue/SST-2/${split}.tsv`, `sentence\tlabel\n${rows.join("\n")}\n`);
    const pairs = ["5.000", "2.000", "0.000"].map(
      (score, i) => `${i}\tg\tf\t2012\t${i}\ts\ts\ta big cat\t${words[i]} tree\t${score}`,
    );
    const columns = "index genre filename year old_index source1 source2 sentence1 sentence2 score"
      .split(" ")
      .join("\t");
    put("data/glue/STS-B/dev.tsv", `${columns}\n${pairs.join("\n")}\n`);
    const few = { max_seq_length: 16, train_batch_size: 4, train_step: 4, warmup_step: 1, save_checkpoints_steps: 2 };
    const mnli = "index promptID pairID genre p1 p2 p3 p4 sentence1 sentence2 label1 gold_label".split(" ").join("\t");
    const inferences = Array.from({ length: 24 }, (_, i) => {
      const label = ["entailment", "neutral", "contradiction"][i % 3]!;
      return [i, ..."-------", `a big cat ${Math.floor(i / 3)}`, `an old ${words[i % 10]}`, label, label].join("\t");
    });
    for (const split of ["train", "dev_matched"])
      put(`data/glue/MNLI/${split}.tsv`, `${mnli}\n${inferences.join("\n")}\n`);
    const passage = { context: "A big cat did walk in an old tree. An old cat did sleep in a big tree.", qas: [] };
    const articles = ["Big_cat", "Tree_(plant)"].map((title) => ({ title, paragraphs: [passage] }));
    put("data/squad/train-v1.1.json", JSON.stringify({ version: "1.1", data: articles }));
    const counts = {
      "held-out-sentences": { count: 4 },
      "held-out-premises": { count: 4 },
      "topic-hypotheses": { count: 4 },
    };
    put("small.json", JSON.stringify({ sentiment: few, "natural-language-inference": few, ...counts }));
    const names = ["sentiment", "natural-language-inference", "sentence-encoder"];
    const script = join(root, "scripts/make-models/main.ts");
    const place = ["--data", join(base, "data"), "--output", work, "--base", join(base, "encoder")];
    const flags = [...place, "--settings", join(base, "small.json"), "--only", names.join(",")];
    const make = () =>
      promisify(execFile)(process.execPath, ["--import", "tsx", script, ...flags, "--threads", "1"], { cwd: root });
    await make();
    const models = names.map((name) => join(work, "models", name));
    for (const directory of models) {
      expect(JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8"))).toMatchObject({ weights: "int8" });
    }
    const [first, ...others] = models.map((directory) => readFileSync(join(directory, "embeddings.safetensors")));
    for (const other of others) expect(first!.equals(other)).toBe(true);
    const table = (name: string) =>
      readFileSync(join(work, "mnli", name), "utf8")
        .trimEnd()
        .split("\n")
        .slice(1)
        .map((row) => row.split("\t"));
    const [held, left, all] = ["held-out.tsv", "train.tsv", "with-topics.tsv"].map(table);
    expect([held!.length, left!.length], "rows of one premise stay together").toEqual([6, 18]);
    const premises = new Set(held!.map((row) => row[8]));
    expect(left!.filter((row) => premises.has(row[8]))).toEqual([]);
    const topics = all!.slice(left!.length);
    expect(topics.map((row) => row.at(-1))).toEqual(["entailment", "contradiction", "entailment", "contradiction"]);
    for (const row of topics) {
      expect(row[8]).toMatch(/^An? .*tree\.$/);
      expect(row[9]).toMatch(/^(This text|The topic|This example) is (about )?(Big cat|Tree)\.$/);
    }
    const page = readFileSync(join(work, "models/README.md"), "utf8");
    expect(page).toMatch(/\| dev\.tsv: this model \| .*eval_accuracy [01]/);
    expect(page).toMatch(/\| dev\.tsv: this model \| pearson .*spearman/);
    const { stdout } = await make();
    expect(stdout).toContain("fine-tuning sentiment: done already");
  }, 240_000);
});

describe.skipIf(missing("spm_train, for the vocabulary of the models", existsSync("/usr/bin/spm_train")))(
  "npm run make-models",
  () => {
    const base = mkdtempSync(join(tmpdir(), "albert-make-"));
    const work = join(base, "work");

    const put = (path: string, content: string | Uint8Array) => {
      mkdirSync(dirname(join(base, path)), { recursive: true });
      writeFileSync(join(base, path), content);
    };
    const make = async () => {
      const args = ["--data", join(base, "data"), "--output", work, "--settings", join(base, "small.json")];
      const script = join(root, "scripts/make-models/main.ts");
      const flags = [...args, "--only", "sentiment", "--threads", "1"];
      const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", script, ...flags], {
        cwd: root,
      });
      return stdout;
    };

    beforeAll(() => {
      execFileSync(process.execPath, [join(root, "scripts/build.mjs")], { cwd: root, stdio: "inherit" });
      put("data/corpus/text.txt.gz", gzipSync(tinyText(20, () => 8)));
      const rows = Array.from({ length: 20 }, (_, i) =>
        i % 2 === 0 ? `a big cat did walk ${i}\t1` : `an old tree in sleep ${i}\t0`,
      );
      for (const split of ["train", "dev"])
        put(`data/glue/SST-2/${split}.tsv`, `sentence\tlabel\n${rows.join("\n")}\n`);
      put("small.json", JSON.stringify(SMALL));
    }, 600_000);

    afterAll(() => rmSync(base, { recursive: true, force: true }));

    it("makes vocabulary, trunk and model, scores the model and writes its page", async () => {
      await make();
      const manifest = JSON.parse(readFileSync(join(work, "models/sentiment/manifest.json"), "utf8"));
      expect(manifest.heads[0].labels).toEqual(["negative", "positive"]);
      const held = readFileSync(join(work, "sst-2/held-out.tsv"), "utf8").trimEnd().split("\n").slice(1);
      const left = readFileSync(join(work, "sst-2/train.tsv"), "utf8");
      expect(held).toHaveLength(4);
      expect(held.filter((row) => left.includes(row))).toEqual([]);
      const page = readFileSync(join(work, "models/README.md"), "utf8");
      expect(page).toMatch(/\| this model \| .*eval_accuracy [01]/);
      expect(page).toMatch(/\| guessing \| majority_accuracy 0\.5/);
      expect(page).toContain("    albert pretrain --input");
    }, 180_000);

    it("goes on where it was interrupted, and skips what is done", async () => {
      const trunk = readFileSync(join(work, "trunk/model.safetensors"));
      rmSync(join(work, "trunk"), { recursive: true });
      const said = await make();
      expect(said).toMatch(/vocabulary: done already\s+pretraining\n/);
      expect(said).toContain("fine-tuning sentiment: done already");
      expect(readFileSync(join(work, "trunk/model.safetensors")).equals(trunk)).toBe(true);
    }, 120_000);
  },
);
