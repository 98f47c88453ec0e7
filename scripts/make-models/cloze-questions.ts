/**
 * Makes questions out of plain text, in SQuAD's layout: a passage of a few sentences, one of which becomes the question by losing
 * the words that answer it. Such questions are answered by looking where the passage says the same, which is the first thing a
 * small model must learn for questions that people ask, and seldom finds out from those alone.
 *
 *     node --import tsx scripts/make-models/cloze-questions.ts OUTPUT.json COUNT TEXT...
 *
 * TEXT holds a sentence a line and a blank line between documents (.gz too). Passages are taken evenly from all of it; the same
 * text and count give the same questions.
 */
import { writeFileSync } from "node:fs";
import { RandomStream } from "../../src/model/random.ts";
import { readTextLines } from "../../src/pretraining/corpus/text-lines.ts";

/** A passage is complete at this many words; one that exceeds the second number is not used. */
const PASSAGE_WORDS = [50, 100] as const;
/** Sentences with fewer words leave too little to recognise, longer ones are lists. */
const SENTENCE_WORDS = [8, 40] as const;
const LONGEST_QUESTION = 16;
/** Questions people ask leave words out and use others: up to this share of a question's words is dropped. */
const MOST_DROPPED = 0.5;

const MONTHS = "January February March April May June July August September October November December".split(" ");
const PLAIN_WORD = /^[a-z]{4,}[,;:.]?$/;
const NAME = /^[A-Z][A-Za-z'-]+[,;:.]?$/;
const NUMBER = /^\$?\d[\d,.]*%?[,;:.]?$/;

interface Passage {
  readonly context: string;
  readonly sentences: readonly string[];
}

const [output, count, ...files] = process.argv.slice(2);
if (output === undefined || !(Number(count) > 0) || files.length === 0)
  throw new Error("expected: OUTPUT COUNT TEXT...");

const passages: Passage[] = [];
for (const file of files) for await (const passage of readPassages(file)) passages.push(passage);
const random = new RandomStream([passages.length, files.length]);
const paragraphs = [];
let made = 0;
const each = Math.max(1, Math.ceil(Number(count) / passages.length));
for (const { context, sentences } of passages) {
  if (random.float() > Number(count) / each / passages.length) continue;
  const questions = [];
  for (let i = 0; i < each; i++) {
    const asked = ask(sentences[random.below(sentences.length)]!, context);
    if (asked !== undefined) questions.push({ id: `cloze-${made++}`, ...asked });
  }
  if (questions.length > 0) paragraphs.push({ context, qas: questions });
}
writeFileSync(output, JSON.stringify({ version: "1.1", data: [{ title: "cloze questions", paragraphs }] }));
console.log(`${made} questions about ${paragraphs.length} of ${passages.length} passages`);

async function* readPassages(file: string): AsyncGenerator<Passage> {
  let sentences: string[] = [];
  let words = 0;
  for await (const { text } of readTextLines(file)) {
    const sentence = text.trim();
    const length = wordsOf(sentence).length;
    if (sentence !== "") {
      sentences.push(sentence);
      words += length;
    }
    if (sentence !== "" && words < PASSAGE_WORDS[0]) continue;
    if (sentences.length > 1 && words <= PASSAGE_WORDS[1]) yield { context: sentences.join(" "), sentences };
    sentences = [];
    words = 0;
  }
}

/** A question whose answer is a part of the sentence, or nothing where the sentence holds no good one. */
function ask(sentence: string, context: string) {
  const words = wordsOf(sentence);
  if (words.length < SENTENCE_WORDS[0] || words.length > SENTENCE_WORDS[1]) return undefined;
  const start = 1 + random.below(words.length - 1);
  const { kind, length } = answerAt(words, start);
  if (kind === undefined) return undefined;
  const text = words
    .slice(start, start + length)
    .join(" ")
    .replace(/[,;:.]$/, "");
  const answerStart = context.indexOf(text);
  if (answerStart < 0 || context.indexOf(text, answerStart + 1) >= 0) return undefined;
  const left = keep(words.slice(0, start).slice(-LONGEST_QUESTION / 2));
  const right = keep(words.slice(start + length).slice(0, LONGEST_QUESTION / 2));
  if (left.length + right.length < 3) return undefined;
  const rest = random.float() < 0.5 ? [...left, kind, ...right] : [kind, ...right, ...left];
  const question = `${rest.join(" ").replace(/[,;:.]$/, "")}?`;
  // SQuAD counts characters, not UTF-16 units.
  return { question, answers: [{ text, answer_start: [...context.slice(0, answerStart)].length }] };
}

/** What kind of answer begins at a word, by the word that asks for it, and how many words it has. */
function answerAt(words: readonly string[], start: number): { kind?: string; length: number } {
  const word = words[start]!;
  if (NUMBER.test(word)) {
    if (/^(1[0-9]|20)\d\d[,;:.]?$/.test(word)) return { kind: "when", length: 1 };
    return { kind: "how many", length: 1 };
  }
  if (NAME.test(word)) {
    let length = 1;
    while (length < 4 && !/[,;:.]$/.test(words[start + length - 1]!) && NAME.test(words[start + length] ?? ""))
      length++;
    if (MONTHS.includes(word)) return { kind: "when", length };
    return { kind: random.float() < 0.5 ? "who" : "what", length };
  }
  if (!PLAIN_WORD.test(word)) return { length: 0 };
  const most = 1 + random.below(3);
  let length = 1;
  while (length < most && !/[,;:.]$/.test(words[start + length - 1]!) && PLAIN_WORD.test(words[start + length] ?? ""))
    length++;
  return { kind: "what", length };
}

function keep(words: readonly string[]): string[] {
  const dropped = random.float() * MOST_DROPPED;
  return words.filter(() => random.float() >= dropped);
}

function wordsOf(text: string): string[] {
  return text === "" ? [] : text.split(/\s+/);
}
