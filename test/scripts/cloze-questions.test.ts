import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "albert-cloze-"));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Question {
  readonly question: string;
  readonly answers: readonly { readonly text: string; readonly answer_start: number }[];
}

function make(name: string, text: string): { context: string; qas: Question[] }[] {
  const [input, output] = [join(folder, `${name}.txt`), join(folder, `${name}.json`)];
  writeFileSync(input, text);
  const script = join(root, "scripts/make-models/cloze-questions.ts");
  execFileSync(process.execPath, ["--import", "tsx", script, output, "60", input], { cwd: root });
  return JSON.parse(readFileSync(output, "utf8")).data[0].paragraphs;
}

/** Documents of four sentences; an emoji before the answers makes characters and UTF-16 units differ. */
const text = Array.from({ length: 20 }, (_, i) =>
  [
    `\u{1f600} In ${1900 + i} the village number ${i * 7 + 3} received a bridge across its widest river.`,
    `Captain Harald${"abcdefghijklmnopqrst"[i]} Stone counted every passing waggon from dawn until evening prayers began.`,
    "Traders complained about tolls, though nobody could remember who had ordered them in writing.",
    "Later historians found letters which settled that quarrel between neighbouring parishes for good.",
  ].join("\n"),
).join("\n\n");

it("asks for words that the passage holds once, at the place it names, and takes them out of the question", () => {
  const paragraphs = make("once", text);
  const asked = paragraphs.flatMap(({ context, qas }) => qas.map((qa) => ({ context, ...qa })));
  expect(asked.length).toBeGreaterThan(10);
  for (const { context, question, answers } of asked) {
    const [{ text: answer, answer_start: start }] = answers as [Question["answers"][number]];
    expect([...context].slice(start, start + [...answer].length).join("")).toBe(answer);
    expect(context.split(answer)).toHaveLength(2);
    expect(question).toMatch(/\b(what|who|when|how many)\b.*\?$/);
    expect(question).not.toContain(answer);
  }
});

it("asks the same of the same text", () => {
  expect(make("again", text)).toEqual(make("more", text));
});
