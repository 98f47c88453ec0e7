import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SPECIAL_PIECES, tinyModel } from "../../support/models/tiny-sentencepiece.ts";
import { albert, type TinyFolder, tinyFolder } from "../tiny-run.ts";

let folder: TinyFolder;
beforeAll(() => {
  folder = tinyFolder();
});
afterAll(() => folder.remove());

let runs = 0;

/** Runs `albert pretrain` for two steps. */
async function pretrain(input: string, ...more: string[]) {
  const output = join(folder.path, `model-${runs++}`);
  const at = (name: string) => join(folder.path, name);
  const run = await albert(
    ...["pretrain", "--input", input, "--config", at("tiny.json"), "--output", output, "--json"],
    ...(more.includes("--vocab") ? [] : ["--vocab", at("vocab.txt")]),
    ...["--num_train_steps=2", "--num_warmup_steps=1", "--train_batch_size=2", "--max_seq_length=16"],
    ...["--max_predictions_per_seq=3", "--held_out=0", "--threads", "1", ...more],
  );
  return { ...run, stepped: existsSync(`${output}.run/checkpoints`), made: existsSync(output) };
}

const sentence = "the cat sat on the mat .";

describe("albert pretrain", () => {
  it.each([
    ["an empty file", "", []],
    ["blank lines alone", " \n\n", []],
    ["documents of one sentence, where those are dropped", `${sentence}\n\n${sentence}\n`, ["--single_sentence=drop"]],
  ])("takes no step on %s, and says that there is nothing to learn from", async (_, content, flags) => {
    const { error, stepped, made } = await pretrain(folder.write("little.txt", content), ...flags);
    expect(error).toMatch(
      /the input holds no sentence|the text gives no instance: it has no document of two sentences/,
    );
    expect([stepped, made]).toEqual([false, false]);
  });

  it("says how many documents are of one sentence, and asks no order of them", async () => {
    const input = folder.write("single.txt", `${sentence}\n\nthe dog ran .\n\na bird sat\n`);
    const { error, said, made } = await pretrain(input);
    expect(error).toBeUndefined();
    expect(said).toMatch(/3 documents hold a single sentence.*--single-sentence/);
    expect(made).toBe(true);
  });

  it("names the first line that is not UTF-8, and reads on", async () => {
    const input = folder.write("bytes.txt", Buffer.from(`${sentence}\nthe\xff cat .\n\xfe\n`, "latin1"));
    const { error, said, made } = await pretrain(input);
    expect(error).toBeUndefined();
    expect(said).toMatch(/2 lines are not UTF-8, the first is bytes\.txt:2/);
    expect(made).toBe(true);
  });

  it("cuts a line of 50 MB in memory that does not grow with it", { timeout: 120_000 }, async () => {
    const gap = Buffer.alloc(50_000_000, " ");
    const input = folder.write("line.txt", Buffer.concat([Buffer.from(sentence), gap, Buffer.from(`${sentence}\n`)]));
    const before = process.memoryUsage().rss;
    const { error, said, made } = await pretrain(input);
    expect(error).toBeUndefined();
    expect(said).toMatch(/1 documents, 2 sentences/);
    expect(said).toMatch(/too long for one piece and were cut 4\d times/);
    expect(made).toBe(true);
    expect(process.memoryUsage().rss - before).toBeLessThan(1e9);
  });

  it("takes no step where its result could not be written", async () => {
    const input = folder.write("text.txt", `${sentence}\n${sentence}\n`);
    const { error, stepped } = await pretrain(input, "--output", folder.path);
    expect(error).toMatch(/exists: choose another --output, or remove it/);
    expect(stepped).toBe(false);
  });

  it("writes no run for several machines of what they cannot train", async () => {
    const input = folder.write("text.txt", `${sentence}\n${sentence}\n`);
    const records = folder.write("instances.tf_record", "");
    const wrong: [input: string, flags: string[], said: RegExp][] = [
      [input, ["--output", folder.path], /exists: choose another --output, or remove it/],
      [input, ["--resume"], /leave --eval-only and --resume out/],
      [input, ["--teacher", folder.path], /learns from no teacher/],
      [records, [], /reads text: TFRecord files are masked already/],
    ];
    for (const [from, flags, said] of wrong) {
      const { error, made } = await pretrain(from, "--distributed", ...flags);
      expect(error, flags.join(" ")).toMatch(said);
      expect(made).toBe(false);
    }
  });

  it("takes no step with a vocabulary that lacks [MASK], in either format", async () => {
    const input = folder.write("text.txt", `${sentence}\n${sentence}\n`);
    const wordPiece = folder.write("lacking.txt", ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "cat"].join("\n"));
    const pieces = SPECIAL_PIECES.filter(({ text }) => text !== "[MASK]");
    const sentencePiece = folder.write("lacking.model", tinyModel({ pieces: [...pieces, { text: "cat", score: -1 }] }));
    for (const vocabulary of [wordPiece, sentencePiece]) {
      const { error, stepped, made } = await pretrain(input, "--vocab", vocabulary);
      expect(error, vocabulary).toMatch(/vocabulary lacks .*\[MASK\]|no piece .*\[MASK\]/);
      expect([stepped, made]).toEqual([false, false]);
    }
  });
});
