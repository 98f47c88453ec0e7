/**
 * Takes whole sentences out of SST-2's training file, with every phrase of them, so that what is left has never seen them.
 * The file holds sentences and phrases cut out of them, without saying which is which: a row that no longer row holds is a sentence.
 *
 *     node --import tsx scripts/hold-out-sentences.ts TRAIN OUTPUT COUNT
 *
 * Writes OUTPUT/train.tsv and OUTPUT/held-out.tsv. Which sentences are taken follows from their words alone.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deriveSeed } from "../src/model/random.ts";
import { fileSource, wholeText } from "../src/tasks/datasets/data-source.ts";

/** Shortest sentence that is held out: shorter rows without a longer one around them are mostly leftovers. */
const LEAST_WORDS = 5;

const [train, output, count] = process.argv.slice(2);
if (train === undefined || output === undefined || !(Number(count) > 0))
  throw new Error("expected: TRAIN OUTPUT COUNT");
const [header, ...rows] = (await wholeText(fileSource(train))).trimEnd().split("\n");
const wordsOf = (row: string) => row.slice(0, row.lastIndexOf("\t")).trim().split(/\s+/);

const phrases = new Set<string>();
for (const row of rows) for (const phrase of innerPhrases(wordsOf(row))) phrases.add(phrase);
const sentences = rows
  .map((row) => ({ row, words: wordsOf(row) }))
  .filter(({ words }) => words.length >= LEAST_WORDS && !phrases.has(words.join(" ")))
  .map(({ row, words }) => ({ row, words, place: deriveSeed(words.join(" "))[0] }))
  .sort((a, b) => a.place - b.place);
const held = sentences.slice(0, Number(count));
const seen = new Set(held.flatMap(({ words }) => [words.join(" "), ...innerPhrases(words)]));
const left = rows.filter((row) => !seen.has(wordsOf(row).join(" ")));

mkdirSync(output, { recursive: true });
const write = (name: string, lines: readonly string[]) =>
  writeFileSync(join(output, name), `${[header, ...lines].join("\n")}\n`);
write("train.tsv", left);
write(
  "held-out.tsv",
  held.map(({ row }) => row),
);
console.log(`${held.length} of ${sentences.length} sentences held out, ${left.length} of ${rows.length} rows left`);

/** Every run of neighbouring words but the whole. */
function innerPhrases(words: readonly string[]): string[] {
  const found: string[] = [];
  for (let start = 0; start < words.length; start++) {
    for (let end = start + 1; end <= words.length; end++) {
      if (end - start < words.length) found.push(words.slice(start, end).join(" "));
    }
  }
  return found;
}
