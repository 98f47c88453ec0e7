/**
 * Adds hypotheses about topics to MNLI's rows, so that a model also learns what a text is about, which is what labels of a request ask:
 * a sentence of a SQuAD passage entails that it is about its article's title, and contradicts that it is about another one's.
 *
 *     node --import tsx scripts/make-models/topic-hypotheses.ts MNLI OUTPUT COUNT SQUAD
 *
 * MNLI and OUTPUT are TSV files in MNLI's columns, SQUAD is a file of the official layout. COUNT rows are added, half of them
 * entailments; which follows from the sentences alone.
 */
import { writeFileSync } from "node:fs";
import { deriveSeed, RandomStream } from "../../src/model/random.ts";
import { fileSource, wholeText } from "../../src/tasks/datasets/data-source.ts";

/** Words of a sentence that is used: shorter ones say too little, longer ones are seldom asked about. */
const [LEAST_WORDS, MOST_WORDS] = [8, 30];
/** The first is what `Classify` asks with unless a request brings another one. */
const TEMPLATES = ["This text is about {}.", "This text is about {}.", "The topic is {}.", "This example is about {}."];

const [mnli, output, count, squad] = process.argv.slice(2);
if (mnli === undefined || output === undefined || !(Number(count) > 0) || squad === undefined)
  throw new Error("expected: MNLI OUTPUT COUNT SQUAD");

/** The parts of SQuAD's layout that are read. */
interface Squad {
  readonly data: readonly { readonly title: string; readonly paragraphs: readonly { readonly context: string }[] }[];
}

const { data } = JSON.parse(await wholeText(fileSource(squad))) as Squad; // a file of the official layout
const titles = data.map(({ title }) => title.replaceAll("_", " ").replace(/ \(.*\)$/, ""));
const sentences = data
  .flatMap(({ paragraphs }, article) =>
    paragraphs.flatMap(({ context }) => sentencesOf(context).map((text) => ({ text, article }))),
  )
  .map((sentence) => ({ ...sentence, place: deriveSeed(sentence.text)[0] }))
  .sort((a, b) => a.place - b.place)
  .slice(0, Number(count));

const rows = (await wholeText(fileSource(mnli))).trimEnd().split("\n");
const columns = (rows[0] ?? "").split("\t");
for (const [index, { text, article }] of sentences.entries()) {
  const random = new RandomStream(deriveSeed("topic", index));
  const entailed = index % 2 === 0;
  const other = (article + 1 + random.below(titles.length - 1)) % titles.length;
  const title = titles[entailed ? article : other]!;
  const hypothesis = TEMPLATES[random.below(TEMPLATES.length)]!.replace("{}", () => title);
  const label = entailed ? "entailment" : "contradiction";
  const cells: Readonly<Record<string, string>> = {
    ...{ index: `t${index}`, sentence1: text, sentence2: hypothesis, label1: label, gold_label: label },
  };
  rows.push(columns.map((column) => cells[column] ?? "-").join("\t"));
}
writeFileSync(output, `${rows.join("\n")}\n`);
console.log(`${sentences.length} rows about ${titles.length} topics added to ${rows.length - 1 - sentences.length}`);

function sentencesOf(passage: string): string[] {
  return passage
    .split(/(?<=[.!?])\s+(?=[A-Z])/)
    .map((sentence) => sentence.replace(/\s+/g, " ").trim())
    .filter((sentence) => {
      const words = sentence.split(" ").length;
      return words >= LEAST_WORDS && words <= MOST_WORDS;
    });
}
