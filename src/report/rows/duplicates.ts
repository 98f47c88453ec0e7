import { createHash } from "node:crypto";
import type { Example } from "../../tasks/datasets/examples.ts";
import type { Duplicates } from "../evaluation-report.ts";
import { type JudgedRow, placeOf, reported } from "./judged-row.ts";

// Examples that a model has been trained on already, and what that makes of its figures.

/** Where a text stands in the training data, and with which right answer. */
interface Known {
  readonly place: string;
  readonly answer: string;
}

/**
 * Looks for evaluated texts among the training data, case, punctuation and white space aside.
 *
 * @param most  rows to list
 */
export async function duplicatesIn(
  training: AsyncIterable<Example> | Iterable<Example>,
  rows: readonly JudgedRow[],
  most: number,
): Promise<Duplicates> {
  const wanted = new Map(rows.map(({ example }) => [keyOf(example), undefined as Known | undefined]));
  let trainingExamples = 0;
  for await (const example of training) {
    trainingExamples++;
    const key = keyOf(example);
    if (!wanted.has(key) || wanted.get(key) !== undefined) continue;
    wanted.set(key, { place: placeOf(example), answer: answerOf(example) });
  }
  const found = rows.flatMap((row) => {
    const known = wanted.get(keyOf(row.example));
    return known === undefined ? [] : [{ row, known, conflicting: known.answer !== answerOf(row.example) }];
  });
  const isFound = new Set(found.map(({ row }) => row));
  const others = rows.filter((row) => !isFound.has(row));
  return {
    trainingExamples,
    rows: found.length,
    conflicting: found.filter(({ conflicting }) => conflicting).length,
    ...(others.length === 0 ? {} : { scoreWithout: others.reduce((sum, { score }) => sum + score, 0) / others.length }),
    list: found
      .sort((a, b) => Number(b.conflicting) - Number(a.conflicting))
      .slice(0, most)
      .map(({ row, known, conflicting }) => ({ ...reported(row), trainingPlace: known.place, conflicting })),
  };
}

/** 96 bits of sha256 of what an example asks. */
function keyOf(example: Example): string {
  const parts =
    example.kind === "classification"
      ? [example.text, example.textPair ?? ""]
      : example.kind === "question"
        ? [example.question, example.context]
        : example.kind === "pair"
          ? [example.anchor]
          : [example.question, example.context, ...example.choices];
  return createHash("sha256")
    .update(JSON.stringify(parts.map(plain)))
    .digest("base64")
    .slice(0, 16);
}

/** Letters and digits alone; a text that has none as it is. */
function plain(text: string): string {
  const words = text
    .normalize("NFKC")
    .toLowerCase()
    .split(/[^\p{L}\p{M}\p{N}]+/u)
    .filter(Boolean);
  return words.length === 0 ? text : words.join(" ");
}

function answerOf(example: Example): string {
  switch (example.kind) {
    case "classification":
      return JSON.stringify(Array.isArray(example.label) ? [...example.label].sort() : (example.label ?? null));
    case "question":
      return JSON.stringify(example.answers.map(({ text }) => text).sort());
    case "choice":
      return String(example.answer);
    case "pair":
      return JSON.stringify([...example.positives].sort());
  }
}
