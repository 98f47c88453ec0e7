import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runAlbert } from "../support/command-line.ts";
import { fixture, officialVocabulary } from "../support/fixtures.ts";

const root = resolve(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/import-pretrained.md"), "utf8");

/** What makes the page's runs a matter of seconds; the page itself leaves these values to the recipes. */
const SMALL_RUN = ["--train-step=2", "--warmup-step=0", "--train-batch-size=4", "--max-seq-length=64"];

/** The commands of the page, each as words. */
const commands = [...page.matchAll(/^ {4}albert (.+)$/gm)].map(([, line]) =>
  [...line!.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!),
);

/** Runs a command in this process. @returns what it printed */
const albert = async (words: readonly string[]) => (await runAlbert(...words)).out;

const PASSAGE = "It rained all day. Mary read a book at home. The harbour was built by John Smeaton in 1759.";

/** Two questions in SQuAD's layout. */
function squad(): string {
  const question = (id: string, question: string, text: string) => ({
    id,
    question,
    answers: [{ text, answer_start: PASSAGE.indexOf(text) }],
  });
  const qas = [question("1", "Who built the harbour?", "John Smeaton"), question("2", "Who read a book?", "Mary")];
  return JSON.stringify({ version: "1.1", data: [{ title: "t", paragraphs: [{ context: PASSAGE, qas }] }] });
}

/** One passage with two questions in RACE's layout. */
function race(): string {
  const options = [
    ["Mary", "Jane", "Anne", "Kate"],
    ["a book", "a letter", "a map", "a song"],
  ];
  const questions = ["Who stayed at home?", "What did Mary read?"];
  return JSON.stringify({ id: "1.txt", article: PASSAGE, questions, options, answers: ["A", "A"] });
}

/** Pairs in MRPC's layout. */
function mrpc(): string {
  const rows = [
    ["1", "A company bought another.", "One company was bought by another."],
    ["0", "The film is long.", "The book is short."],
    ["1", "It rained all day.", "All day it rained."],
    ["0", "Mary read a book.", "The harbour was built in 1759."],
  ].map(([quality, first, second], i) => [quality, i, i, first, second].join("\t"));
  return `${["Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", ...rows].join("\n")}\n`;
}

describe("every command of docs/import-pretrained.md", () => {
  const before = process.cwd();
  const work = mkdtempSync(join(tmpdir(), "albert-import-"));

  beforeAll(async () => {
    process.chdir(work);
    const google = fixture("models/tiny-en");
    const vocabulary = officialVocabulary();
    if (google !== undefined && vocabulary !== undefined) {
      mkdirSync("albert_base");
      mkdirSync("albert-base-v2");
      for (const name of ["albert_config.json", "model.ckpt-best.index", "model.ckpt-best.data-00000-of-00001"]) {
        cpSync(join(google, name), join("albert_base", name));
      }
      for (const name of ["config.json", "model.safetensors"]) {
        cpSync(join(google, name), join("albert-base-v2", name));
      }
      cpSync(vocabulary, "albert_base/30k-clean.model");
      cpSync(vocabulary, "albert-base-v2/spiece.model");
    } else {
      const pieces = join(root, "test/support/models/pieces-8k.model");
      await albert(["import", "--random-init", "2x128", "--vocab", pieces, "--output", "random"]);
      await albert(["export", "random", "--format", "tf", "--output", "albert_base"]);
      await albert(["export", "random", "--format", "hf", "--output", "albert-base-v2"]);
    }
    for (const directory of ["MRPC", "RACE/train/middle", "RACE/dev/middle"]) mkdirSync(directory, { recursive: true });
    for (const split of ["train", "dev"]) {
      writeFileSync(`MRPC/${split}.tsv`, mrpc());
      writeFileSync(`${split}-v1.1.json`, squad());
      writeFileSync(`RACE/${split}/middle/1.txt`, race());
    }
  });

  afterAll(() => {
    process.chdir(before);
    rmSync(work, { recursive: true, force: true });
  });

  it("is found", () => {
    expect(commands.length).toBeGreaterThan(10);
    expect(new Set(commands.map(([name]) => name))).toEqual(
      new Set(["import", "inspect", "train", "export", "evaluate", "classify", "ask"]),
    );
  });

  it.each(commands.map((words) => [words.join(" "), words] as const))(
    "does what it says: albert %s",
    async (_, words) => {
      const output = words.includes("--output") ? words[words.indexOf("--output") + 1] : undefined;
      const printed = await albert(words[0] === "train" ? [...words, ...SMALL_RUN] : words);
      expect(printed).not.toBe("");
      if (output !== undefined) expect(existsSync(output)).toBe(!words.includes("--plan"));
      if (words[0] === "classify") expect(printed).toMatch(/% +(different|same)/);
    },
    60_000,
  );
});
