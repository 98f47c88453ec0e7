/**
 * Takes RACE's short articles for training, each question with its right answer and some of its wrong ones, so that a step sees more
 * questions for the same number of tokens; and articles of any length, with all answers, to measure on.
 *
 *     node --import tsx scripts/make-models/short-articles.ts OUTPUT MOST_CHARACTERS WRONG HELD_OUT TRAIN DEV
 *
 * HELD_OUT articles are kept out of training; of the others, those of up to MOST_CHARACTERS are trained on, with WRONG of their wrong
 * answers. Articles that DEV has too are in neither. Writes OUTPUT/train/all.txt and OUTPUT/held-out/all.txt (last), an article a line.
 * TRAIN and DEV are archives (.tar, .tar.gz). The same files give the same articles and answers.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deriveSeed, RandomStream } from "../../src/model/random.ts";
import { tarArticles } from "../../src/tasks/datasets/article-files.ts";
import { fileSource } from "../../src/tasks/datasets/data-source.ts";
import { type RaceQuestion, raceQuestions } from "../../src/tasks/datasets/race.ts";

const [output, mostCharacters, wrong, heldOut, train, dev] = process.argv.slice(2);
if (output === undefined || train === undefined || dev === undefined || !(Number(wrong) > 0) || !(Number(heldOut) > 0))
  throw new Error("expected: OUTPUT MOST_CHARACTERS WRONG HELD_OUT TRAIN DEV");

const known = new Set((await readArticles(dev)).keys());
const articles = [...(await readArticles(train))]
  .filter(([text]) => !known.has(text))
  .map(([text, questions]) => ({ text, questions, place: deriveSeed(text)[0] }))
  .sort((a, b) => a.place - b.place);
const held = articles.slice(0, Number(heldOut));
const short = articles.slice(held.length).filter(({ text }) => text.length <= Number(mostCharacters));
write(
  "train",
  short.map(({ text, questions }) => lineOf(text, questions.map(withFewerOptions))),
);
write(
  "held-out",
  held.map(({ text, questions }) => lineOf(text, questions)),
);

async function readArticles(archive: string): Promise<Map<string, RaceQuestion[]>> {
  const found = new Map<string, RaceQuestion[]>();
  for (const question of await raceQuestions(tarArticles(fileSource(archive)), {}, archive)) {
    const questions = found.get(question.article);
    if (questions === undefined) found.set(question.article, [question]);
    else questions.push(question);
  }
  return found;
}

/** A question with its right option and some of the others, in their order. */
function withFewerOptions(question: RaceQuestion): RaceQuestion {
  const { options, answer } = question;
  const random = new RandomStream(deriveSeed(question.question, question.index));
  const others = [...options.keys()].filter((option) => option !== answer);
  while (others.length > Number(wrong)) others.splice(random.below(others.length), 1);
  const kept = [...others, answer].sort((a, b) => a - b);
  return { ...question, options: kept.map((option) => options[option]!), answer: kept.indexOf(answer) };
}

/** An article as RACE writes it. */
function lineOf(article: string, questions: readonly RaceQuestion[]): string {
  return JSON.stringify({
    id: questions[0]!.id,
    article,
    questions: questions.map(({ question }) => question),
    options: questions.map(({ options }) => options),
    answers: questions.map(({ answer }) => String.fromCharCode(65 + answer)),
  });
}

function write(name: string, lines: readonly string[]): void {
  mkdirSync(join(output!, name), { recursive: true });
  writeFileSync(join(output!, name, "all.txt"), `${lines.join("\n")}\n`);
  const questions = lines.reduce((sum, line) => sum + (JSON.parse(line) as { answers: string[] }).answers.length, 0);
  console.log(`${name}: ${lines.length} articles, ${questions} questions`);
}
