/**
 * Takes rows out of a TSV file with a header, and with a row all that have the same text in one column, so that what is left has
 * never seen it: in MNLI a premise stands in three rows.
 *
 *     node --import tsx scripts/hold-out-rows.ts TRAIN OUTPUT COLUMN COUNT
 *
 * Writes OUTPUT/train.tsv and OUTPUT/held-out.tsv; the latter gets COUNT rows, or as many more as belong together. Which they are
 * follows from their texts alone.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deriveSeed } from "../src/model/random.ts";
import { fileSource, wholeText } from "../src/tasks/datasets/data-source.ts";

const [train, output, column, count] = process.argv.slice(2);
if (train === undefined || output === undefined || column === undefined || !(Number(count) > 0))
  throw new Error("expected: TRAIN OUTPUT COLUMN COUNT");
const [header = "", ...rows] = (await wholeText(fileSource(train))).trimEnd().split("\n");
const place = header.split("\t").indexOf(column);
if (place < 0) throw new Error(`${train} has no column ${column}, only ${header.split("\t").join(", ")}`);
const textOf = (row: string) => row.split("\t")[place] ?? "";

const texts = [...new Set(rows.map(textOf))].sort((a, b) => deriveSeed(a)[0] - deriveSeed(b)[0]);
const rowsOf = new Map<string, string[]>(texts.map((text) => [text, []]));
for (const row of rows) rowsOf.get(textOf(row))?.push(row);
const held: string[] = [];
for (const of of rowsOf.values()) {
  if (held.length >= Number(count)) break;
  held.push(...of);
}

mkdirSync(output, { recursive: true });
const write = (name: string, lines: readonly string[]) =>
  writeFileSync(join(output, name), `${[header, ...lines].join("\n")}\n`);
const taken = new Set(held);
const left = rows.filter((row) => !taken.has(row));
write("train.tsv", left);
write("held-out.tsv", held);
console.log(`${held.length} rows held out, ${left.length} of ${rows.length} left`);
