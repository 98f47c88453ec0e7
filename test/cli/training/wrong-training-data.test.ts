import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { albert, type TinyFolder, tinyFolder } from "../tiny-run.ts";

const CONTEXT = "the cat sat on the mat";

let folder: TinyFolder;
let runs = 0;
beforeAll(() => {
  folder = tinyFolder();
});
afterAll(() => folder.remove());

interface Run {
  /** What was printed as the error; undefined where the run ended well. */
  readonly error: string | undefined;
  readonly stepped: boolean;
  readonly output: string;
}

/** Runs `albert train` on a data file. */
async function train(task: string, name: string, content: string | Uint8Array, ...more: string[]): Promise<Run> {
  const data = folder.write(name, content);
  const output = join(folder.path, `model-${runs++}`);
  const start = more.includes("--init") ? [] : folder.start;
  const run = ["--output", output, "--train_step=1", "--train_batch_size=2", "--threads", "1", "--eval-share", "0"];
  const { error } = await albert("train", "--task", task, "--train", data, ...start, ...run, ...more);
  return { error, stepped: existsSync(`${output}.run/checkpoints`) || existsSync(output), output };
}

const lines = (...rows: string[]) => `${rows.join("\n")}\n`;
const json = (...rows: object[]) => lines(...rows.map((row) => JSON.stringify(row)));
const answer = (text: string, start: number) => ({
  question: "who sat?",
  context: CONTEXT,
  answer: text,
  answer_start: start,
});
const choice = (choices: string[]) => ({ question: "who sat?", choices, answer: 0 });
const squad = (start: number) => ({
  version: "1.1",
  data: [
    {
      title: "t",
      paragraphs: [
        { context: CONTEXT, qas: [{ id: "1", question: "who?", answers: [{ text: "cat", answer_start: start }] }] },
      ],
    },
  ],
});
const good = lines("text,label", "a fine film,good", "a dull film,bad");
const sst = lines("sentence\tlabel", "a fine film\t1", "a dull film\t0");

/** Task, file, content, and what the error must say. */
const CASES: readonly (readonly [
  what: string,
  task: string,
  file: string,
  content: string | Uint8Array,
  says: RegExp[],
])[] = [
  [
    "a wrong label",
    "sst-2",
    "a.tsv",
    sst.replace("\t0", "\tbad"),
    [/unknown-label, 1: correct the label/, /a\.tsv:3:1: not one of 0, 1/],
  ],
  [
    "no label",
    "classification",
    "b.csv",
    good.replace(",bad", ","),
    [/missing-label, 1: label the row/, /b\.csv:3:13: no label/],
  ],
  ["a missing column", "classification", "c.csv", good.replace("label", "verdict"), [/c\.csv:1:1: no column label/]],
  ["a missing column", "mnli", "d.tsv", lines("index\tx", "1\t2"), [/d\.tsv:2:1: .* at least 10 columns/]],
  [
    "an answer elsewhere",
    "qa",
    "e.jsonl",
    json(answer("cat", 4), answer("cat", 5)),
    [/e\.jsonl:2:1: not at answer_start 5/],
  ],
  [
    "an answer elsewhere",
    "squad-v1",
    "f.json",
    JSON.stringify(squad(7), null, 1),
    [/f\.json:10:\d+: not at answer_start 7/],
  ],
  ["one choice", "multiple-choice", "g.jsonl", json(choice(["a", "b"]), choice(["a"])), [/g\.jsonl:2:\d+: 1 choices/]],
  ["an empty file", "classification", "h.csv", "", [/h\.csv:1:1: 0 usable rows/]],
  ["an empty file", "sst-2", "i.tsv", "", [/i\.tsv:1:1: 0 usable rows/]],
  ["no usable rows", "classification", "j.csv", "text,label\n", [/j\.csv:1:1: 0 usable rows/]],
  [
    "a byte order mark",
    "sst-2",
    "l.tsv",
    `\ufeff${sst}`,
    [
      /l\.tsv cannot be used\nbyte-order-mark, 1: .*sed -i '1s.*--accept-windows-text/,
      /l\.tsv:1:1: .* byte order mark/,
    ],
  ],
  ["a byte order mark", "squad-v1", "n.json", `\ufeff${JSON.stringify(squad(4))}`, [/n\.json:1:1: .* byte order mark/]],
  [
    "CRLF",
    "sst-2",
    "o.tsv",
    sst.replaceAll("\n", "\r\n"),
    [/2 of 2 rows cannot be used/, /crlf-line-ends, 3: .*sed -i 's/, /o\.tsv:1:15: /, /o\.tsv:3:14: /],
  ],
  ["CRLF behind the header", "sst-2", "q.tsv", sst.replace("\n", "\r\n"), [/q\.tsv:1:15: the line ends in CRLF/]],
  [
    "CRLF",
    "mrpc",
    "r.tsv",
    "Quality\t#1 ID\t#2 ID\t#1\t#2\r\n1\t1\t2\ta\tb\r\n",
    [/r\.tsv:2:10: the line ends in CRLF/],
  ],
  [
    "invalid UTF-8",
    "classification",
    "t.csv",
    Buffer.concat([Buffer.from(good), Buffer.from([0x61, 0xe9, 0x2c, 0x67, 0x0a])]),
    [/invalid-utf8, 1: .*iconv/, /t\.csv:4:2: /],
  ],
  [
    "invalid UTF-8",
    "sst-2",
    "u.tsv",
    Buffer.concat([Buffer.from(sst), Buffer.from([0xff, 0x09, 0x31, 0x0a])]),
    [/u\.tsv:4:1/],
  ],
  ["invalid UTF-8", "squad-v1", "v.json", Buffer.from([0x7b, 0x0a, 0xff]), [/v\.json:2:1: not UTF-8/]],
];

describe("albert train", () => {
  it.each(CASES)("takes no step on data with %s (%s, %s) and names the line", async (_, task, file, content, says) => {
    const { error, stepped } = await train(task, file, content);
    for (const pattern of says) expect(error).toMatch(pattern);
    expect(stepped).toBe(false);
  });

  it("takes the marks of Windows text in a user's own data as they come", async () => {
    const content = `\ufeff${good.replaceAll("\n", "\r\n")}`;
    expect((await train("classification", "windows.csv", content, "--max_seq_length=16")).error).toBeUndefined();
  });

  it.each([
    ["sst-2", "win.tsv", `\ufeff${sst.replaceAll("\n", "\r\n")}`],
    ["squad-v1", "win.json", `\ufeff${JSON.stringify(squad(4), null, 1).replaceAll("\n", "\r\n")}`],
  ])("drops the marks of Windows text where that is asked for: %s", async (task, file, content) => {
    const flags = ["--max_seq_length=16", "--max_query_length=4", "--doc_stride=4"];
    const { error, output } = await train(task, file, content, "--accept_windows_text", ...flags);
    expect(error).toBeUndefined();
    expect(existsSync(output)).toBe(true);
  });

  it("accepts the marks that the published files carry themselves", async () => {
    const row = (label: string) => `${label}\t1\t2\ta fine film\ta film\n`;
    const mrpc = `\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n${row("1")}${row("0")}`;
    expect((await train("mrpc", "mrpc.tsv", mrpc)).error).toBeUndefined();
  });

  it("takes no step on data whose labels are not those of the model's head, unless told whose count", async () => {
    const first = await train("classification", "first.csv", good);
    expect(first.error).toBeUndefined();
    const init = ["--init", first.output];
    const more = good + lines("a film,fair");
    const unknown = await train("classification", "more.csv", more, ...init);
    expect(unknown.error).toMatch(/more\.csv:4:1: not a label of the head \("fair"\)/);
    expect(unknown.stepped).toBe(false);
    expect((await train("classification", "more.csv", more, ...init, "--labels-from", "data")).error).toBeUndefined();
    const third = await train("classification", "third.csv", more);
    const fewer = await train("classification", "fewer.csv", good, "--init", third.output);
    expect(fewer.error).toMatch(
      /fewer\.csv:1:1: the model's head classification has 3 labels, the data 2 of them; absent: fair/,
    );
    expect(fewer.stepped).toBe(false);
    const kept = await train("classification", "fewer.csv", good, "--init", third.output, "--labels-from", "head");
    expect(kept.error).toBeUndefined();
  });
});
