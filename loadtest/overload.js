// More than the server can do: k6 run loadtest/overload.js [-e POLITE=100] [-e RUDE=20] [-e DURATION=30s]
//
// Callers ask about long documents without a pause. The server must refuse at once what it cannot answer in time, and say
// when to come again; polite callers wait that long, rude ones come back at once. What is accepted is answered within the
// server's bound on waiting (serving.max_queue_ms) and a margin.
import { sleep } from "k6";
import exec from "k6/execution";
import { answerQuestion } from "./modules/requests.js";
import { duration, number } from "./modules/settings.js";
import { summaryOf } from "./modules/summary.js";
import { chance, question } from "./modules/texts.js";
import { below, NOTHING_LOST, STATISTICS } from "./modules/thresholds.js";

const POLITE = number("POLITE", 100);
const RUDE = number("RUDE", 20);
const PARAGRAPHS = 6;
/** The shortest pause of a rude caller, in seconds. */
const RUDE_PAUSE = 0.02;
/** In what time the callers come. */
const SPREAD_SECONDS = number("SPREAD", 2);
/** The server's bound on predicted waiting, and what may come on top of it: running, sending, and the load of k6 itself. */
const MAX_QUEUE_MS = number("MAX_QUEUE_MS", 2000);
const MARGIN_MS = 1000;

const crowd = (vus, exec) => ({ executor: "constant-vus", vus, duration: duration("30s"), exec, gracefulStop: "30s" });

export const options = {
  scenarios: { polite: crowd(POLITE, "polite"), ...(RUDE > 0 ? { rude: crowd(RUDE, "rude") } : {}) },
  thresholds: {
    ...NOTHING_LOST,
    albert_refused: ["count>0"],
    albert_pushback: ["rate==1"],
    albert_refusal_ms: [below("p(95)", 500)],
    albert_answer_ms: [below("p(99)", MAX_QUEUE_MS + MARGIN_MS)],
  },
  summaryTrendStats: STATISTICS,
};

export function polite() {
  const { waitMs } = ask("polite");
  if (waitMs !== undefined) sleep(Math.max(0, waitMs) / 1000);
}

export function rude() {
  if (ask("rude").message === undefined) sleep(RUDE_PAUSE);
}

function ask(manner) {
  // Not all of them connect in the same instant.
  if (__ITER === 0) sleep(SPREAD_SECONDS * chance(__VU));
  return answerQuestion(question(exec.scenario.iterationInTest, PARAGRAPHS), manner);
}

export const handleSummary = summaryOf(
  "overload",
  `${POLITE} callers that heed the advice of a refusal and ${RUDE} that do not, with long documents and no pause`,
);
