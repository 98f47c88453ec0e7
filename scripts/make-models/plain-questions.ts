/**
 * Asks models forty plain questions, such as people type first, and says how many they answer rightly. They are in
 * `plain-questions.json`, which was written before any model was trained; no model is chosen by them.
 *
 *     node --import tsx scripts/make-models/plain-questions.ts MODELS
 *
 * MODELS holds directories by the names of the bundled models; what is not there is not asked. Prints every wrong answer on the
 * standard error output, and a JSON object of counts.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import questions from "./plain-questions.json" with { type: "json" };

const root = resolve(import.meta.dirname, "../..");
const [models] = process.argv.slice(2);
if (models === undefined) throw new Error("expected: MODELS");

/** One question: the command line that asks it, and what is taken for right. */
interface Question {
  readonly args: readonly string[];
  /** What the answer says, from the JSON that the command prints. */
  readonly read: (reply: Reply) => string;
  readonly right: readonly string[];
}

/** The parts of replies that are read. */
interface Reply {
  readonly labels?: readonly { readonly label: string }[];
  readonly answers?: readonly { readonly text: string }[];
  readonly answerable?: boolean;
  readonly index?: number;
}

const NO_ANSWER = "(no answer)";
const firstLabel = (reply: Reply) => reply.labels?.[0]?.label ?? "";

const asked: Readonly<Record<keyof typeof questions, readonly Question[]>> = {
  sentiment: questions.sentiment.map(({ text, label }) => ({
    ...{ args: ["classify", text], read: firstLabel, right: [label] },
  })),
  "question-answering": questions["question-answering"].flatMap(({ context, questions: about }) =>
    about.map(({ question, answers }) => ({
      args: ["ask", question, context],
      read: (reply: Reply) => (reply.answerable ? (reply.answers?.[0]?.text ?? "") : NO_ANSWER),
      right: answers.length === 0 ? [NO_ANSWER] : answers,
    })),
  ),
  "multiple-choice": questions["multiple-choice"].map(({ context, question, choices, answer }) => ({
    args: ["choose", question, ...choices, ...(context === undefined ? [] : ["--context", context])],
    read: (reply: Reply) => choices[reply.index ?? -1] ?? "",
    right: [choices[answer]!],
  })),
  "natural-language-inference": questions["natural-language-inference"].map(({ premise, hypothesis, label }) => ({
    ...{ args: ["classify", premise, hypothesis], read: firstLabel, right: [label] },
  })),
};

const counts: Record<string, { readonly right: number; readonly of: number }> = {};
for (const [name, list] of Object.entries(asked)) {
  const directory = join(models, name);
  if (!existsSync(directory)) continue;
  const wrong = list.filter((question) => !isRight(directory, question));
  counts[name] = { right: list.length - wrong.length, of: list.length };
}
console.log(JSON.stringify(counts));

function isRight(directory: string, { args, read, right }: Question): boolean {
  const command = [...args, "--model", directory, "--json"];
  const { status, stdout, stderr } = spawnSync(join(root, "bin/albert"), command, { encoding: "utf8" });
  if (status !== 0) throw new Error(`albert ${args.join(" ")}: ${stderr}`);
  const answer = read(JSON.parse(stdout) as Reply); // the command's own format
  const plain = (text: string) => text.toLowerCase().replace(/[.,\s]+$/, "");
  if (right.some((accepted) => plain(accepted) === plain(answer))) return true;
  console.error(`${args.slice(0, 2).join(" | ")}: ${answer}; expected ${right[0]}`);
  return false;
}
