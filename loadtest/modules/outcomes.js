// How a call ended, in the four ways that matter to a load test, and the metrics that count them.
import { Counter, Rate, Trend } from "k6/metrics";
import grpc from "k6/net/grpc";

/** Requests that were answered. */
export const answered = new Counter("albert_answered");
/** Requests refused because of load, with advice when to come again. */
export const refused = new Counter("albert_refused");
/** Attempts that no server took up (it shuts down, or a connection could not be made): safe to repeat, and repeated. */
export const turnedAway = new Counter("albert_turned_away");
/** Requests that no server took up, however often they were sent. */
export const unserved = new Counter("albert_unserved");
/** Requests that a server took up and then lost or failed: what must not happen. */
export const failed = new Counter("albert_failed");
/** From the first attempt to the answer. */
export const answerTime = new Trend("albert_answer_ms", true);
/** From the attempt to the refusal. */
export const refusalTime = new Trend("albert_refusal_ms", true);
/** Whether a refusal said when to come again. */
export const pushedBack = new Rate("albert_pushback");
/** Whether an answer was what it should be. */
export const right = new Rate("albert_right");

/** A failure is printed this often for each virtual user; the count has them all. */
const PRINTED = 3;
let printed = 0;

/** "answered", "refused", "turned away" or "failed". */
export function outcomeOf({ status, error }) {
  if (status === grpc.StatusOK) return "answered";
  if (status === grpc.StatusResourceExhausted) return "refused";
  if (status === grpc.StatusUnavailable && neverStarted(error)) return "turned away";
  return "failed";
}

/** A server that drains, or whose model is on its way up, says so before it does anything; a connection that was not made carried nothing. */
function neverStarted(error) {
  return /"reason":"(DRAINING|WARMING)"|connection error: |connection is draining/.test(JSON.stringify(error || {}));
}

/** Milliseconds after which a refused caller may come again; undefined where the server did not say. */
export function pushbackMs({ trailers }) {
  const [value] = trailers?.["grpc-retry-pushback-ms"] || [];
  return value === undefined ? undefined : Number(value);
}

/** Counts a failure and says what it was. */
export function countFailure(task, { status, error }) {
  failed.add(1, { task });
  if (printed++ < PRINTED) console.error(`${task}: status ${status}: ${JSON.stringify(error)}`);
}
