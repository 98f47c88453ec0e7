import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { pack } from "tar-stream";
import { beforeAll, expect, it } from "vitest";
import { AlbertError } from "../../../../src/errors.ts";
import { tarArticles } from "../../../../src/tasks/datasets/article-files.ts";
import { type DataSource, decodedText, memorySource } from "../../../../src/tasks/datasets/data-source.ts";
import { GLUE_TASKS } from "../../../../src/tasks/datasets/glue.ts";
import { jsonLayout } from "../../../../src/tasks/datasets/json-layout.ts";
import { parseJson } from "../../../../src/tasks/datasets/json-text.ts";
import { articlesInOrder } from "../../../../src/tasks/datasets/race.ts";
import { jsonDocumentRows, jsonLineRows } from "../../../../src/training/data/rows/json-rows.ts";
import { glueRows, raceRows, squadRows } from "../../../../src/training/data/rows/official-rows.ts";
import { delimitedRows } from "../../../../src/training/data/rows/tabular-rows.ts";
import { ANY_WINDOWS_TEXT } from "../../../../src/training/data/windows-text.ts";

/** Mutated files that are read; `ALBERT_TEST_FUZZ=1000000` reads more of them. */
const RUNS = Number(process.env["ALBERT_TEST_FUZZ"] ?? 70_000);

const reading = { columns: {}, required: [["text"], ["label"]] as const, windowsText: ANY_WINDOWS_TEXT };

async function drain(rows: AsyncIterable<unknown> | Iterable<unknown>): Promise<void> {
  for await (const row of rows) {
    const { issues = [] } = row as { issues?: readonly { location: unknown }[] };
    // Places that are found late must be found as well.
    for (const { location } of issues) if (typeof location === "function") location();
  }
}

/** Readers and a valid file of each. */
const READERS: readonly (readonly [name: string, file: () => Buffer, read: (source: DataSource) => Promise<void>])[] = [
  [
    "CSV",
    () => Buffer.from('\ufefftext;label\r\n"one; ""two""\r\nthree";good\r\nplain;bad\r\n'),
    (source) => drain(delimitedRows(source, "csv", reading)),
  ],
  [
    "TSV",
    () => Buffer.from("text\tlabel\none\tgood\ntwo\tbad\n"),
    (source) => drain(delimitedRows(source, "tsv", reading)),
  ],
  [
    "JSON Lines",
    () => Buffer.from('{"text": "a\\u00e9\\n", "label": "x"}\n{"text": "b", "label": [1, null, {"c": 2e3}]}\n'),
    (source) => drain(jsonLineRows(source, reading)),
  ],
  [
    "JSON documents",
    () => Buffer.from('{"data": [\n{"text": "a", "label": "x"},\n{"text": "b", "label": "y", "__proto__": {}}]}'),
    async (source) => {
      await jsonLayout(source);
      const text = await decodedText(source);
      await drain(jsonDocumentRows(text, parseJson(text.text, source.name), source.name, reading));
    },
  ],
  [
    "SQuAD documents",
    () =>
      Buffer.from(
        '{"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": "a cat", "qas": [{"id": 1, "question": "q", "is_impossible": false, "answers": [{"text": "cat", "answer_start": 2}]}]}]}]}',
      ),
    (source) => drain(squadRows(source, ANY_WINDOWS_TEXT)),
  ],
  [
    "flat questions",
    () =>
      Buffer.from(
        '{"id": "a", "context": "a cat", "question": "q", "answers": {"text": ["cat"], "answer_start": [2]}}\n{"id": 2, "context": "a", "question": "r", "answers": []}\n',
      ),
    (source) => drain(squadRows(source, ANY_WINDOWS_TEXT)),
  ],
  [
    "gzip",
    () => gzipSync('{"text": "a", "label": "x"}\n'.repeat(20)),
    (source) => drain(jsonLineRows(source, reading)),
  ],
  [
    "GLUE",
    () => Buffer.from("id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\ta\tb\t1\n3\t4\tonly\n"),
    (source) => drain(glueRows(source, GLUE_TASKS.get("qqp")!, "train", ANY_WINDOWS_TEXT)),
  ],
  [
    "RACE archives",
    () => archive,
    async (source) => drain(raceRows(await articlesInOrder(tarArticles(source), { split: "dev" }), ANY_WINDOWS_TEXT)),
  ],
];

let archive: Buffer;
beforeAll(async () => {
  const tar = pack();
  const article = '{"article": "t", "questions": ["q"], "options": [["a", "b"]], "answers": ["B"], "id": "1"}';
  tar.entry({ name: "RACE/dev/high/1.txt" }, article);
  tar.entry({ name: "RACE/dev/middle/all.txt" }, `${article}\n${article}\n`);
  tar.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of tar as AsyncIterable<Uint8Array>) chunks.push(chunk);
  archive = Buffer.concat(chunks);
});

/** What means something to a reader. */
const TOKENS = [
  '"',
  '""',
  ",",
  ";",
  "\t",
  "\n",
  "\r\n",
  "\\",
  "{",
  "}",
  "[",
  "]",
  ":",
  "null",
  "1e999",
  "\\u0000",
  "\ufeff",
  "\0",
  "\ud83d",
  "[".repeat(70),
];

const mutation = fc.oneof(
  fc.record({ kind: fc.constant("flip" as const), at: fc.nat(), bit: fc.nat(7) }),
  fc.record({ kind: fc.constant("cut" as const), at: fc.nat(), length: fc.nat(30) }),
  fc.record({ kind: fc.constant("copy" as const), at: fc.nat(), length: fc.nat(30), to: fc.nat() }),
  fc.record({ kind: fc.constant("insert" as const), at: fc.nat(), token: fc.constantFrom(...TOKENS) }),
  fc.record({ kind: fc.constant("end" as const), at: fc.nat() }),
);

type Mutation = typeof mutation extends fc.Arbitrary<infer M> ? M : never;

function mutated(file: Buffer, mutations: readonly Mutation[]): Buffer {
  let bytes = Buffer.from(file);
  for (const change of mutations) {
    const at = bytes.length === 0 ? 0 : change.at % bytes.length;
    const splice = (from: number, removed: number, added: Uint8Array) => {
      bytes = Buffer.concat([bytes.subarray(0, from), added, bytes.subarray(from + removed)]);
    };
    if (change.kind === "flip" && bytes.length > 0) bytes[at] = bytes[at]! ^ (1 << change.bit);
    else if (change.kind === "cut") splice(at, change.length, Buffer.alloc(0));
    else if (change.kind === "copy") splice(change.to % (bytes.length + 1), 0, bytes.subarray(at, at + change.length));
    else if (change.kind === "insert") splice(at, 0, Buffer.from(change.token));
    else if (change.kind === "end") bytes = bytes.subarray(0, at);
  }
  return bytes;
}

it.each(READERS)(
  "mutated %s is read or refused in our words, and soon",
  async (_, file, read) => {
    const whole = file();
    await read(memorySource("valid", whole));
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 6 }), async (mutations) => {
        const began = performance.now();
        try {
          await read(memorySource("mutated", mutated(whole, mutations)));
        } catch (error) {
          if (!(error instanceof AlbertError)) throw error;
          expect(error.code).toBe("invalid-input");
        }
        expect(performance.now() - began).toBeLessThan(5000);
      }),
      { numRuns: Math.ceil(RUNS / READERS.length) },
    );
  },
  600_000 + RUNS,
);
