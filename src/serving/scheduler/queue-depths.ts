import type { QueueDepth } from "../../metrics/queue.ts";
import type { ModelQueue } from "./model-queue.ts";
import type { Priority } from "./work.ts";

// What waits in all queues, as the metrics show it. It reads queues and changes none.

const PRIORITIES: readonly Priority[] = ["interactive", "batch"];

/** What waits, by priority. */
export function queueDepths(queues: Iterable<ModelQueue>, now: number): Map<Priority, QueueDepth> {
  const all = [...queues];
  return new Map(PRIORITIES.map((priority) => [priority, add(all.map((queue) => depthOf(queue, priority, now)))]));
}

function depthOf(queue: ModelQueue, priority: Priority, now: number): QueueDepth {
  const waiting = queue.waiting.filter(({ request }) => request.work.priority === priority);
  return {
    requests: new Set(waiting.map(({ request }) => request)).size,
    tokens: waiting.reduce((sum, { length }) => sum + length, 0),
    predictedSeconds: queue.predictMs(waiting.map(({ length }) => length)) / 1000,
    oldestAgeSeconds: waiting.reduce((age, { request }) => Math.max(age, (now - request.times.arrivedAt) / 1000), 0),
  };
}

function add(depths: readonly QueueDepth[]): QueueDepth {
  return {
    requests: depths.reduce((sum, depth) => sum + depth.requests, 0),
    tokens: depths.reduce((sum, depth) => sum + depth.tokens, 0),
    predictedSeconds: depths.reduce((sum, depth) => sum + depth.predictedSeconds, 0),
    oldestAgeSeconds: depths.reduce((age, depth) => Math.max(age, depth.oldestAgeSeconds), 0),
  };
}
