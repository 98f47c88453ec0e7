/**
 * Makes questions that their passage does not answer out of SQuAD v1's questions, all of which have an answer, so that a model
 * learns to say so. Two kinds, in equal parts: a question with another passage of its article, the one with which it shares the most
 * words; and a question in which a name or a number of its passage gives way to one that the passage does not hold.
 *
 *     node --import tsx scripts/make-models/answerless-questions.ts OUTPUT SHARE MOST_CHARACTERS SQUAD_V1 [SQUAD_V2]
 *
 * SHARE answerless questions are made for each that has an answer. Passages longer than MOST_CHARACTERS are left out. Writes
 * OUTPUT/train.json and, from every fortieth article, OUTPUT/held-out.json (last), in SQuAD v2's layout. The questions of SQUAD_V2 (.gz
 * too) join the training file as they are. The same files give the same questions.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deriveSeed, RandomStream } from "../../src/model/random.ts";
import { fileSource, wholeText } from "../../src/tasks/datasets/data-source.ts";
import { readSquad, type SquadQuestion } from "../../src/tasks/datasets/squad.ts";

/** One article in so many is held out. */
const HELD_OUT = 40;
/** Names, but for those that begin a sentence, where any word has a capital. */
const NAME = /(?<=[\p{Ll},]\s)[A-Z][\p{L}'-]+(?:\s[A-Z][\p{L}'-]+)*/gu;
const NUMBER = /\b\d[\d,.]*\d\b|\b\d\b/g;

const [output, share, mostCharacters, first, second] = process.argv.slice(2);
if (output === undefined || !(Number(share) >= 0) || !(Number(mostCharacters) > 0) || first === undefined)
  throw new Error("expected: OUTPUT SHARE MOST_CHARACTERS SQUAD_V1 [SQUAD_V2]");

interface Passage {
  readonly context: string;
  readonly words: ReadonlySet<string>;
  readonly questions: SquadQuestion[];
}

const articles = await readArticles(first);
const random = new RandomStream(deriveSeed("answerless questions", articles.length));
const data = articles.map((passages, article) => {
  const borrowable = borrowableOf(passages);
  const qasOf = (passage: Passage) => questionsOf(passage, passages, borrowable.get(passage) ?? []);
  return {
    title: `article ${article}`,
    paragraphs: passages.map((passage) => ({ context: passage.context, qas: qasOf(passage) })),
  };
});
const held = data.filter((_, article) => article % HELD_OUT === 0);
const train = data.filter((_, article) => article % HELD_OUT !== 0);
if (second !== undefined) {
  for (const [article, passages] of (await readArticles(second)).entries()) {
    const paragraphs = passages.map(({ context, questions }) => ({ context, qas: questions.map(asItIs) }));
    train.push({ title: `further article ${article}`, paragraphs });
  }
}
mkdirSync(output, { recursive: true });
for (const [name, documents] of [
  ["train", train],
  ["held-out", held],
] as const) {
  writeFileSync(join(output, `${name}.json`), JSON.stringify({ version: "v2.0", data: documents }));
  const all = documents.flatMap(({ paragraphs }) => paragraphs.flatMap(({ qas }) => qas));
  const answerless = all.filter((question) => question.is_impossible).length;
  console.log(`${name}: ${all.length} questions, ${answerless} of them without an answer`);
}

async function readArticles(file: string): Promise<Passage[][]> {
  const found: Map<number, Passage>[] = [];
  for (const question of readSquad(JSON.parse(await wholeText(fileSource(file))), file)) {
    if (question.context.length > Number(mostCharacters)) continue;
    found[question.document] ??= new Map();
    const article = found[question.document]!;
    const passage = article.get(question.paragraph) ?? {
      context: question.context,
      words: wordsOf(question.context),
      questions: [],
    };
    passage.questions.push(question);
    article.set(question.paragraph, passage);
  }
  return found.filter((article) => article !== undefined).map((article) => [...article.values()]);
}

/** The questions of a passage, and some that it does not answer. */
function questionsOf(passage: Passage, article: readonly Passage[], borrowable: readonly SquadQuestion[]) {
  const elsewhere = article.filter((other) => other !== passage);
  const borrowed = borrowable.filter((question) => !passage.context.includes(question.answers[0]!.text));
  const wanted = passage.questions.length * Number(share);
  const count = Math.floor(wanted) + (random.float() < wanted % 1 ? 1 : 0);
  const made: { id: string; question: string }[] = [];
  while (made.length < count) {
    const altered = made.length % 2 === 1 || borrowed.length === 0;
    const question = altered
      ? alter(passage.questions[random.below(passage.questions.length)]!, passage, elsewhere)
      : borrowed.splice(random.below(borrowed.length), 1)[0]!;
    if (question === undefined) break;
    made.push({
      id: `${question.id}-${altered ? "altered" : "elsewhere"}-${made.length}`,
      question: question.question,
    });
  }
  const answerless = made.map((question) => ({ ...question, answers: [], is_impossible: true }));
  return [...passage.questions.map(asItIs), ...answerless];
}

function asItIs({ id, question, answers, isImpossible }: SquadQuestion) {
  const given = answers.map(({ text, answerStart }) => ({ text, answer_start: answerStart }));
  return { id, question, answers: given, is_impossible: isImpossible };
}

/** For each passage of an article, the questions about others with which it shares more words than any other does. */
function borrowableOf(article: readonly Passage[]): ReadonlyMap<Passage, readonly SquadQuestion[]> {
  const found = new Map<Passage, SquadQuestion[]>();
  for (const question of article.flatMap(({ questions }) => questions)) {
    const passage = closest(question, article);
    if (passage !== undefined) found.set(passage, [...(found.get(passage) ?? []), question]);
  }
  return found;
}

/** Of the other passages of an article, the one that shares the most words with a question. */
function closest(question: SquadQuestion, article: readonly Passage[]): Passage | undefined {
  const words = [...wordsOf(question.question)];
  let best: { passage: Passage; shared: number } | undefined;
  for (const passage of article) {
    if (passage.context === question.context) continue;
    const shared = words.filter((word) => passage.words.has(word)).length;
    if (best === undefined || shared > best.shared) best = { passage, shared };
  }
  return best?.passage;
}

/** A question about something that its passage does not speak of; nothing where it names nothing that could be exchanged. */
function alter(question: SquadQuestion, passage: Passage, elsewhere: readonly Passage[]) {
  for (const pattern of random.float() < 0.5 ? [NAME, NUMBER] : [NUMBER, NAME]) {
    const named = [...question.question.matchAll(pattern)].filter(([text]) => passage.context.includes(text));
    if (named.length === 0 || elsewhere.length === 0) continue;
    const one = named[random.below(named.length)]!;
    const other = elsewhere[random.below(elsewhere.length)]!;
    const candidates = [...other.context.matchAll(pattern)]
      .map(([text]) => text)
      .filter((text) => !passage.context.includes(text) && text.length < 40);
    if (candidates.length === 0) continue;
    const replacement = candidates[random.below(candidates.length)]!;
    const { index } = one;
    const altered = `${question.question.slice(0, index)}${replacement}${question.question.slice(index + one[0].length)}`;
    return { id: question.id, question: altered };
  }
  return undefined;
}

function wordsOf(text: string): ReadonlySet<string> {
  return new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []);
}
