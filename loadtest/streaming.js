// Many items on one stream: k6 run loadtest/streaming.js [-e STREAMS=4] [-e ITEMS=200] [-e DURATION=30s]
//
// Each virtual user opens a StreamInfer, keeps as many items on their way as the server's window allows, and reads until
// each has come back once; then it opens the next.
import { Counter, Trend } from "k6/metrics";
import grpc from "k6/net/grpc";
import { connection } from "./modules/albert.js";
import { answered, failed, refused, right } from "./modules/outcomes.js";
import { isDistribution, isSlice } from "./modules/requests.js";
import { CLASSIFIER, duration, number, READER } from "./modules/settings.js";
import { summaryOf } from "./modules/summary.js";
import { question, sentence } from "./modules/texts.js";
import { below, NOTHING_LOST, STATISTICS } from "./modules/thresholds.js";

const STREAMS = number("STREAMS", 4);
const ITEMS = number("ITEMS", 200);
/** Status of an item that is refused because of load, as of a call. */
const RESOURCE_EXHAUSTED = 8;
/** Every tenth item is a question. */
const QUESTION_EVERY = 10;

const complete = new Counter("albert_streams_complete");
const incomplete = new Counter("albert_streams_incomplete");
const streamTime = new Trend("albert_stream_ms", true);

export const options = {
  scenarios: {
    streams: { executor: "constant-vus", vus: STREAMS, duration: duration("30s"), gracefulStop: "60s" },
  },
  thresholds: {
    ...NOTHING_LOST,
    albert_streams_complete: ["count>0"],
    albert_streams_incomplete: ["count==0"],
    albert_stream_ms: [below("p(95)", 10_000)],
  },
  summaryTrendStats: STATISTICS,
};

export default function () {
  const began = Date.now();
  const stream = new grpc.Stream(connection(), "albert.v1.InferenceService/StreamInfer", { timeout: "60s" });
  const returned = new Set();
  let sent = 0;
  const sendUpTo = (count) => {
    for (; sent < Math.min(count, ITEMS); sent++) stream.write({ item: item(sent) });
    if (sent === ITEMS && count >= ITEMS) stream.end();
  };
  let window = 0;
  stream.on("data", ({ window: told, result }) => {
    if (told) window = told.items;
    if (result) {
      returned.add(result.correlationId);
      judge(result);
    }
    if (sent < ITEMS) sendUpTo(returned.size + window);
  });
  stream.on("error", (error) => {
    failed.add(1, { task: "stream" });
    console.error(`stream: ${JSON.stringify(error)}`);
  });
  stream.on("end", () => {
    (returned.size === ITEMS ? complete : incomplete).add(1);
    streamTime.add(Date.now() - began);
  });
}

function item(index) {
  const correlationId = String(index);
  if (index % QUESTION_EVERY === 0) {
    return { correlationId, answerQuestion: { options: { model: READER }, ...question(index / QUESTION_EVERY) } };
  }
  return { correlationId, classify: { options: { model: CLASSIFIER }, text: sentence(index) } };
}

function judge({ correlationId, classify, answerQuestion, error }) {
  if (error?.code === RESOURCE_EXHAUSTED) {
    refused.add(1, { task: "stream" });
    return;
  }
  if (error) {
    failed.add(1, { task: "stream" });
    console.error(`item ${correlationId}: ${JSON.stringify(error)}`);
    return;
  }
  answered.add(1, { task: "stream" });
  if (classify) right.add(isDistribution(classify.labels));
  else right.add(isSlice(answerQuestion.answers, question(Number(correlationId) / QUESTION_EVERY).context));
}

export const handleSummary = summaryOf(
  "streaming",
  `${STREAMS} streams of ${ITEMS} items each, one after the other, to StreamInfer`,
);
