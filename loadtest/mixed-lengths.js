// Texts from four words to seven hundred share the batches: k6 run loadtest/mixed-lengths.js [-e RATE=15] [-e DURATION=30s]
//
// Of ten requests seven are short, one is a text of several sentences, one a question about a paragraph, and one, of low
// priority, a question about a long document. The thresholds hold that short ones do not wait for long ones.
import exec from "k6/execution";
import { answerQuestion, classify } from "./modules/requests.js";
import { arrivals, duration, number } from "./modules/settings.js";
import { summaryOf } from "./modules/summary.js";
import { chance, question, sentence, sentencesFrom } from "./modules/texts.js";
import { below, NOTHING_LOST, STATISTICS } from "./modules/thresholds.js";

const RATE = number("RATE", 15);
const LONG_PARAGRAPHS = 6;

export const options = {
  scenarios: { steady: arrivals(RATE, duration("30s")) },
  thresholds: {
    ...NOTHING_LOST,
    "albert_answer_ms{task:short}": [below("p(95)", 200)],
    "albert_answer_ms{task:medium}": [below("p(95)", 250)],
    "albert_answer_ms{task:paragraph}": [below("p(95)", 500)],
    "albert_answer_ms{task:document}": [below("p(95)", 2000)],
    albert_refused: ["count==0"],
  },
  summaryTrendStats: STATISTICS,
};

export default function () {
  const index = exec.scenario.iterationInTest;
  const share = chance(index);
  if (share < 0.7) classify(sentence(index), "short");
  else if (share < 0.8) classify(sentencesFrom(index, 2 + (index % 6)), "medium");
  else if (share < 0.9) answerQuestion(question(index), "paragraph");
  else answerQuestion(question(index, LONG_PARAGRAPHS), "document", "PRIORITY_BATCH");
}

export const handleSummary = summaryOf(
  "mixed-lengths",
  `${RATE} requests a second of four lengths, in the same batches`,
);
