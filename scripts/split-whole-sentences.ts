/**
 * Splits SST-2's training file for early stopping. Its 67,349 rows are phrases cut from far fewer sentences, so a random
 * split would put a sentence on one side and its phrases on the other. This script holds out whole sentences (rows that
 * are part of no other row) and leaves every phrase of them out of training.
 *
 *     node --import tsx scripts/split-whole-sentences.ts TRAIN.tsv[.gz] OUTPUT_DIR [HELD_OUT=1000] [SEED=1]
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { deriveSeed, permutation } from "../src/model/random.ts";

const [source, output, heldOutText = "1000", seedText = "1"] = process.argv.slice(2);
if (source === undefined || output === undefined) {
  throw new Error("usage: split-whole-sentences.ts TRAIN.tsv[.gz] OUTPUT_DIR [HELD_OUT] [SEED]");
}
const bytes = readFileSync(source);
const [header, ...rows] = (bytes[0] === 0x1f ? gunzipSync(bytes) : bytes).toString("utf8").split("\n");
const wordsOf = (row: string) => row.split("\t")[0]!.trim().split(/\s+/);
const data = rows.filter((row) => row !== "").map((row) => ({ row, words: wordsOf(row) }));

/** Calls `found` for every run of words of `words` that is a row of its own. */
function phrasesIn(words: readonly string[], known: ReadonlySet<string>, found: (phrase: string) => void): void {
  for (let from = 0; from < words.length; from++) {
    let phrase = "";
    for (let to = from; to < words.length; to++) {
      phrase = to === from ? words[to]! : `${phrase} ${words[to]}`;
      if (known.has(phrase)) found(phrase);
    }
  }
}

const known = new Set(data.map(({ words }) => words.join(" ")));
const partOfAnother = new Set<string>();
for (const { words } of data) {
  const whole = words.join(" ");
  phrasesIn(words, known, (phrase) => {
    if (phrase !== whole) partOfAnother.add(phrase);
  });
}
const sentences = data.filter(({ words }) => words.length >= 4 && !partOfAnother.has(words.join(" ")));
const order = permutation(sentences.length, deriveSeed(Number(seedText), "held-out"));
const heldOut = Array.from(order.slice(0, Number(heldOutText)), (index) => sentences[index]!);
const withheld = new Set<string>();
for (const { words } of heldOut) phrasesIn(words, known, (phrase) => withheld.add(phrase));
const training = data.filter(({ words }) => !withheld.has(words.join(" ")));

mkdirSync(output, { recursive: true });
const write = (name: string, chosen: readonly { readonly row: string }[]) =>
  writeFileSync(join(output, name), `${[header, ...chosen.map(({ row }) => row)].join("\n")}\n`);
write("train.tsv", training);
write("held-out.tsv", heldOut);
process.stdout.write(
  `${data.length} rows, ${sentences.length} whole sentences; held out ${heldOut.length}, training ${training.length}, ` +
    `left out ${data.length - training.length - heldOut.length} phrases of held-out sentences\n`,
);
