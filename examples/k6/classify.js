// A load test: k6 run examples/k6/classify.js
// With -e ADDRESS=host:port, -e RATE=requests a second, -e DURATION=10s.
import { check } from "k6";
import { Counter } from "k6/metrics";
import grpc from "k6/net/grpc";

const ADDRESS = __ENV.ADDRESS || "127.0.0.1:50051";
const TEXTS = [
  "A gripping, honest film.",
  "Two hours I will never get back.",
  "The story is thin, the pictures are fine.",
];

const refused = new Counter("albert_refused");

export const options = {
  scenarios: {
    // Requests arrive whether or not earlier ones were answered, as they do in life.
    steady: {
      executor: "constant-arrival-rate",
      rate: Number(__ENV.RATE || 50),
      timeUnit: "1s",
      duration: __ENV.DURATION || "10s",
      preAllocatedVUs: 20,
      maxVUs: 200,
    },
  },
  thresholds: {
    checks: ["rate>0.99"],
    grpc_req_duration: ["p(95)<500"],
  },
};

const client = new grpc.Client();
client.load(["../../proto"], "albert/v1/inference.proto");

export default function () {
  // One connection for each virtual user, opened by its first request.
  if (__ITER === 0) client.connect(ADDRESS, { plaintext: true });
  const text = TEXTS[__ITER % TEXTS.length];
  const reply = client.invoke(
    "albert.v1.InferenceService/Classify",
    { options: { model: "sentiment" }, text },
    { timeout: "5s" },
  );
  if (reply.status === grpc.StatusResourceExhausted) refused.add(1);
  check(reply, { "has labels": ({ status, message }) => status === grpc.StatusOK && message.labels.length === 2 });
}
