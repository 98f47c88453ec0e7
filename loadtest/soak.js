// All kinds of requests for a long time: k6 run loadtest/soak.js [-e RATE=20] [-e DURATION=30m]
//
// Reads the server's memory meanwhile: from the end of the first fifth to the end it may grow by a tenth.
import { sleep } from "k6";
import exec from "k6/execution";
import http from "k6/http";
import { Counter, Gauge } from "k6/metrics";
import { ask } from "./modules/albert.js";
import { answerQuestion, classify } from "./modules/requests.js";
import { arrivals, CLASSIFIER, duration, METRICS, number } from "./modules/settings.js";
import { summaryOf } from "./modules/summary.js";
import { chance, question, sentence, sentencesFrom } from "./modules/texts.js";
import { below, NOTHING_LOST, STATISTICS } from "./modules/thresholds.js";

const RATE = number("RATE", 20);
const MEMORY_GROWTH = number("MEMORY_GROWTH", 1.1);
/** Seconds between two looks at the server's memory. */
const LOOK_EVERY = number("LOOK_EVERY", 5);
/** Share of the run after which memory should be settled. */
const SETTLED = 0.2;

const memory = new Gauge("albert_memory_bytes");
const growth = new Gauge("albert_memory_growth");
const looks = new Counter("albert_memory_looks");

export const options = {
  scenarios: {
    steady: arrivals(RATE, duration("30m"), { exec: "steady" }),
    watcher: { executor: "constant-vus", vus: 1, duration: duration("30m"), exec: "watch" },
  },
  thresholds: {
    ...NOTHING_LOST,
    albert_answer_ms: [below("p(95)", 500), below("p(99)", 1000)],
    albert_refused: ["count==0"],
    albert_memory_growth: [`value<${MEMORY_GROWTH}`],
    albert_memory_looks: ["count>1"],
  },
  summaryTrendStats: STATISTICS,
};

export function steady() {
  const index = exec.scenario.iterationInTest;
  const share = chance(index);
  if (share < 0.6) classify(sentence(index));
  else if (share < 0.75) classify(sentencesFrom(index, 4));
  else if (share < 0.9) answerQuestion(question(index));
  else if (share < 0.95) answerQuestion(question(index, 3), "document", "PRIORITY_BATCH");
  else ask("encode", "Encode", { options: { model: CLASSIFIER }, text: sentence(index) });
}

let settledBytes;

export function watch() {
  const line = /^process_resident_memory_bytes (\S+)$/m.exec(http.get(`http://${METRICS}/metrics`).body);
  if (line === null) throw new Error(`no process_resident_memory_bytes on http://${METRICS}/metrics`);
  const bytes = Number(line[1]);
  looks.add(1);
  memory.add(bytes);
  if (exec.scenario.progress >= SETTLED) {
    if (settledBytes === undefined) settledBytes = bytes;
    growth.add(bytes / settledBytes);
  }
  sleep(LOOK_EVERY);
}

export const handleSummary = summaryOf("soak", `${RATE} requests a second of all kinds, and the server's memory`);
