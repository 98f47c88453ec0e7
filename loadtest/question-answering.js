// Questions about a paragraph at a fixed rate: k6 run loadtest/question-answering.js [-e RATE=10] [-e DURATION=30s]
import exec from "k6/execution";
import { answerQuestion } from "./modules/requests.js";
import { arrivals, duration, number } from "./modules/settings.js";
import { summaryOf } from "./modules/summary.js";
import { question } from "./modules/texts.js";
import { below, NOTHING_LOST, STATISTICS } from "./modules/thresholds.js";

const RATE = number("RATE", 10);

export const options = {
  scenarios: { steady: arrivals(RATE, duration("30s")) },
  thresholds: {
    ...NOTHING_LOST,
    albert_answer_ms: [below("p(95)", 250), below("p(99)", 500)],
    albert_refused: ["count==0"],
    dropped_iterations: ["count==0"],
  },
  summaryTrendStats: STATISTICS,
};

export default function () {
  answerQuestion(question(exec.scenario.iterationInTest));
}

export const handleSummary = summaryOf(
  "question-answering",
  `${RATE} questions a second about a paragraph to AnswerQuestion`,
);
