import { RandomStream } from "../../src/model/random.ts";

/**
 * Text classification sets made by rule, of the shapes that people bring: few or many classes, 200 to 3,000 rows, classes of
 * unlike size, wrong labels. Defaults of fine-tuning are judged on them.
 */
export interface GeneratedSet {
  readonly name: string;
  readonly rows: number;
  readonly classes: number;
  /** Text and label of the row of this number, the same in every call; rows from `rows` on are for evaluation. */
  readonly row: (index: number) => readonly [text: string, label: string];
}

const FILLER =
  "the a it we they was is and but then when after before please today yesterday again still very quite really my your our there here with without about from since just only".split(
    " ",
  );
const TOPICS: Readonly<Record<string, string>> = {
  billing: "invoice charge refund payment price paid money cost",
  delivery: "parcel package shipping arrived truck driver late address",
  login: "password account sign email locked code enter user",
  product: "broken screen battery button quality works device small",
  returns: "return send back exchange size wrong box label",
  travel: "flight hotel airport train ticket journey seat city",
  food: "kitchen bread soup taste dinner fresh sweet fruit",
  sport: "team game player match ball win season coach",
};
const GOOD = "good great fine lovely wonderful best happy excellent love perfect".split(" ");
const BAD = "bad poor awful terrible worst sad boring hate ugly useless".split(" ");

export const GENERATED_SETS: readonly GeneratedSet[] = [
  topics({ name: "tickets", rows: 3000, classes: 5, keywords: 2 }),
  topics({ name: "eight-topics", rows: 1200, classes: 8, keywords: 2 }),
  topics({ name: "unlike-sizes", rows: 600, classes: 3, keywords: 2, shares: [0.6, 0.3, 0.1] }),
  { name: "opinions", rows: 200, classes: 2, row: opinion },
  { name: "topic-and-opinion", rows: 2000, classes: 4, row: topicAndOpinion },
];

interface TopicRule extends Omit<GeneratedSet, "row"> {
  /** Words of its topic in a text. */
  readonly keywords: number;
  /** How often each class comes; equally when absent. */
  readonly shares?: readonly number[];
}

/** Each text holds words of one topic among words of no topic, and now and then one of another. One label in fifty is wrong. */
function topics({ keywords, shares, ...set }: TopicRule): GeneratedSet {
  const names = Object.keys(TOPICS).slice(0, set.classes);
  return {
    ...set,
    row(index) {
      const random = new RandomStream([index, set.classes]);
      const label = shares === undefined ? random.below(set.classes) : drawn(shares, random.below(1000) / 1000);
      const other = random.below(set.classes);
      const words = [
        ...picked(TOPICS[names[label]!]!.split(" "), keywords, random),
        ...(random.below(3) === 0 ? picked(TOPICS[names[other]!]!.split(" "), 1, random) : []),
      ];
      const wrong = random.below(50) === 0;
      return [sentence(words, random), names[wrong ? other : label]!];
    },
  };
}

function opinion(index: number): readonly [string, string] {
  const random = new RandomStream([index, 99]);
  const good = random.below(2) === 1;
  return [sentence(picked(good ? GOOD : BAD, 2, random), random), good ? "positive" : "negative"];
}

/** Two questions at once: what a text is about, and whether it is pleased. */
function topicAndOpinion(index: number): readonly [string, string] {
  const random = new RandomStream([index, 77]);
  const names = ["travel", "food"] as const;
  const topic = names[random.below(2)]!;
  const good = random.below(2) === 1;
  const words = [...picked(TOPICS[topic]!.split(" "), 1, random), ...picked(good ? GOOD : BAD, 1, random)];
  return [sentence(words, random), `${topic}-${good ? "good" : "bad"}`];
}

function picked(words: readonly string[], count: number, random: RandomStream): string[] {
  return Array.from({ length: count }, () => words[random.below(words.length)]!);
}

/** The words in any order, among 4 to 12 others. */
function sentence(words: readonly string[], random: RandomStream): string {
  const all = [...words, ...picked(FILLER, 4 + random.below(9), random)];
  for (let i = all.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [all[i], all[j]] = [all[j]!, all[i]!];
  }
  return all.join(" ");
}

function drawn(shares: readonly number[], place: number): number {
  let sum = 0;
  const found = shares.findIndex((share) => {
    sum += share;
    return place < sum;
  });
  return found < 0 ? shares.length - 1 : found;
}

/** Rows as CSV with the columns text and label. */
export function csvOf({ row }: GeneratedSet, from: number, to: number): string {
  const lines = Array.from({ length: to - from }, (_, i) => row(from + i).join(","));
  return `text,label\n${lines.join("\n")}\n`;
}
