// Short texts at a fixed rate: k6 run loadtest/classify.js [-e RATE=50] [-e DURATION=30s]
import exec from "k6/execution";
import { classify } from "./modules/requests.js";
import { arrivals, duration, number } from "./modules/settings.js";
import { summaryOf } from "./modules/summary.js";
import { sentence } from "./modules/texts.js";
import { below, NOTHING_LOST, STATISTICS } from "./modules/thresholds.js";

const RATE = number("RATE", 50);

export const options = {
  scenarios: { steady: arrivals(RATE, duration("30s")) },
  thresholds: {
    ...NOTHING_LOST,
    albert_answer_ms: [below("p(95)", 100), below("p(99)", 250)],
    albert_refused: ["count==0"],
    dropped_iterations: ["count==0"],
  },
  summaryTrendStats: STATISTICS,
};

export default function () {
  classify(sentence(exec.scenario.iterationInTest));
}

export const handleSummary = summaryOf("classify", `${RATE} short texts a second to Classify`);
