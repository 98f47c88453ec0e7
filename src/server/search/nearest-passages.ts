import type { IndexMetrics } from "../../metrics/indexes.ts";
import type { FoundPassage } from "../../search/index/search-index.ts";
import { encoderNotServed } from "../../search/served/errors.ts";
import type { OpenIndex } from "../../search/served/open-index.ts";
import type { ServedIndexes } from "../../search/served/served-indexes.ts";
import { deadlineUnreachable, queueFull, stillStarting } from "../../serving/errors.ts";
import type { ModelSelector } from "../../serving/models/selection.ts";
import type { Priority } from "../../serving/scheduler/work.ts";
import type { Serving } from "../../serving/serving.ts";
import type { TaskLimits, TruncationPolicy } from "../../tasks/plan.ts";
import type { CallContext } from "../call/call.ts";
import { answerTask, type MetaFields } from "../inference/handler.ts";

// From a question to passages: encoded by the served model that made the index, compared on the index's own thread.

/** What the handlers of the search service work with. */
export interface SearchParts {
  readonly serving: Serving;
  readonly indexes: ServedIndexes;
  readonly metrics: IndexMetrics;
  readonly limits: TaskLimits;
  /** Predicted wait from which searches are refused. */
  readonly maxQueueMs: number;
}

/** What is looked for, and where. */
interface Query {
  readonly index: string;
  readonly text: string;
  readonly count: number;
  readonly priority: Priority;
  readonly truncation: TruncationPolicy;
}

/** What was found. */
interface NearestPassages {
  /** Nearest first. */
  readonly passages: readonly FoundPassage[];
  readonly indexDigest: string;
  /** Of the query's encoding. */
  readonly meta: MetaFields;
  readonly searchMs: number;
}

/**
 * The passages of an index that are nearest to a text.
 *
 * @throws AlbertError not-found (INDEX_NOT_FOUND); unavailable (INDEX_UNAVAILABLE, WARMING); precondition (INDEX_ENCODER); as the
 *   call `Encode`; overloaded (QUEUE_FULL, DEADLINE_UNREACHABLE) where too many searches wait
 */
export async function nearestPassages(
  { serving, indexes, metrics, limits, maxQueueMs }: SearchParts,
  { index: name, text, count, priority, truncation }: Query,
  context: CallContext,
): Promise<NearestPassages> {
  const index = indexes.find(name);
  const { opened } = index;
  const { encoder, digest } = opened.summary;
  const model = encoderOf(serving, name, encoder);
  admit(opened, maxQueueMs, context);
  const { pooling } = encoder;
  const input = { text, pooling, normalize: true, truncation };
  const { answer, meta } = await answerTask(serving, { task: "encode", input, limits, model, priority }, context);
  admit(opened, maxQueueMs, context);
  const startedAt = performance.now();
  const { passages, ms } = await opened.find(answer.embedding, count, context.signal);
  metrics.searched(name, ms / 1000);
  context.annotate({ index: name });
  return { passages, indexDigest: digest, meta, searchMs: performance.now() - startedAt };
}

/** The served model that made an index. */
function encoderOf({ models }: Serving, index: string, encoder: OpenIndex["summary"]["encoder"]): ModelSelector {
  const { digest } = encoder;
  const name = models.nameOfDigest(digest);
  if (name !== undefined) return { name, digest };
  if (models.starting) throw stillStarting();
  const namesake = models.list().find((status) => status.name === encoder.name);
  const serving = namesake?.versions.find(({ version }) => version === namesake.current);
  throw encoderNotServed(index, encoder, serving?.digest);
}

/** Refuses a search whose turn would come too late, as the models' queue does. */
function admit({ predictedMs, waiting }: OpenIndex, maxQueueMs: number, { deadlineAt }: CallContext): void {
  if (waiting === 0) return;
  if (predictedMs > maxQueueMs) throw queueFull("predicted-ms", predictedMs, maxQueueMs, predictedMs - maxQueueMs);
  const remainingMs = deadlineAt - performance.now();
  if (predictedMs > remainingMs) throw deadlineUnreachable(predictedMs, remainingMs, predictedMs);
}
