/**
 * What is reached on an evaluation set without understanding a word, for the model cards: the most frequent label, a random
 * span that looks like what the question asks for, the most frequent choice. Everything is learnt from the training file only.
 *
 *     node --import tsx scripts/trivial-baselines.ts --sst2 --train TRAIN --dev DEV
 *     node --import tsx scripts/trivial-baselines.ts --squad --dev DEV
 *     node --import tsx scripts/trivial-baselines.ts --race --train TRAIN --dev DEV
 */
import { parseArgs } from "node:util";
import { deriveSeed, RandomStream } from "../src/model/random.ts";
import { tarArticles } from "../src/tasks/datasets/article-files.ts";
import { fileSource, wholeText } from "../src/tasks/datasets/data-source.ts";
import { GLUE_TASKS, glueExamples } from "../src/tasks/datasets/glue.ts";
import { type RaceQuestion, raceQuestions } from "../src/tasks/datasets/race.ts";
import { readSquad, type SquadQuestion } from "../src/tasks/datasets/squad.ts";
import { evaluateSquadV1 } from "../src/tasks/metrics/squad-metrics.ts";

/** What a question that begins with this word is taken to ask for; the first that matches counts. */
const EXPECTED_SPANS: readonly { readonly question: RegExp; readonly span: RegExp }[] = [
  { question: /\b(when|what year|which year)\b/i, span: /\b(?:1\d{3}|20\d{2})\b/g },
  {
    question: /\b(how many|how much|how long|how old|how far)\b/i,
    span: /\b\d[\d,.]*(?:\s(?:million|billion|percent|years))?/g,
  },
  { question: /\b(who|whom|whose|where|which|what)\b/i, span: /\b[A-Z][\w'-]+(?:\s(?:of\s|the\s)?[A-Z][\w'-]+)*/g },
];

async function majorityLabel(train: string, dev: string): Promise<number> {
  const task = GLUE_TASKS.get("sst-2")!;
  const counts = new Map<string, number>();
  for await (const { label } of glueExamples(fileSource(train), task, "train")) {
    counts.set(String(label), (counts.get(String(label)) ?? 0) + 1);
  }
  const guess = mostFrequent(counts);
  let right = 0;
  let rows = 0;
  for await (const { label } of glueExamples(fileSource(dev), task, "dev")) {
    rows++;
    if (String(label) === guess) right++;
  }
  return right / rows;
}

/** A random span of the expected look; a random run of one to four words where the passage holds none. */
function guessSpan({ question, context, id }: SquadQuestion): string {
  const random = new RandomStream(deriveSeed(0, `baseline ${id}`));
  const pattern = EXPECTED_SPANS.find((entry) => entry.question.test(question))?.span;
  const spans = pattern === undefined ? [] : (context.match(pattern) ?? []);
  if (spans.length > 0) return spans[random.below(spans.length)]!;
  const words = context.split(/\s+/);
  const first = random.below(words.length);
  return words.slice(first, first + 1 + random.below(4)).join(" ");
}

async function randomSpans(dev: string): Promise<{ readonly exact_match: number; readonly f1: number }> {
  const questions = readSquad(JSON.parse(await wholeText(fileSource(dev))), dev);
  const predictions = new Map(questions.map((question) => [question.id, guessSpan(question)]));
  const gold = questions.map(({ id, answers }) => ({ id, answers: answers.map(({ text }) => text) }));
  return evaluateSquadV1(gold, predictions);
}

async function frequentChoice(train: string, dev: string): Promise<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const { answer } of await raceQuestions(tarArticles(fileSource(train)))) {
    counts.set(String(answer), (counts.get(String(answer)) ?? 0) + 1);
  }
  const guess = Number(mostFrequent(counts));
  const questions = await raceQuestions(tarArticles(fileSource(dev)));
  const longest = ({ options }: RaceQuestion) =>
    options.reduce((best, option, i) => (option.length > options[best]!.length ? i : best), 0);
  const share = (rightly: (question: RaceQuestion) => boolean) => questions.filter(rightly).length / questions.length;
  return {
    most_frequent: share(({ answer }) => answer === guess),
    longest: share((question) => question.answer === longest(question)),
  };
}

function mostFrequent(counts: ReadonlyMap<string, number>): string {
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0];
}

const { values } = parseArgs({
  options: {
    sst2: { type: "boolean" },
    squad: { type: "boolean" },
    race: { type: "boolean" },
    train: { type: "string" },
    dev: { type: "string" },
  },
});
if (values.dev === undefined)
  throw new Error("expected --sst2|--squad|--race with --train FILE (not for squad) and --dev FILE");
if (values.sst2)
  console.log(JSON.stringify({ task: "sst-2", majority_accuracy: await majorityLabel(values.train!, values.dev) }));
if (values.squad) console.log(JSON.stringify({ task: "squad-v1", random_span: await randomSpans(values.dev) }));
if (values.race)
  console.log(JSON.stringify({ task: "race", accuracy: await frequentChoice(values.train!, values.dev) }));
