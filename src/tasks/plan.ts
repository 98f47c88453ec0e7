import { AlbertError, type FieldViolation, invalidInput } from "../errors.ts";
import type { ModelDescription, SentenceEncoding } from "../model/directory/model-directory.ts";
import type { Head, HeadKind } from "../model/heads.ts";
import type { SequenceInput, SequenceOutput } from "../runtime/engine.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

// What every task shares: the model it needs, the limits of a request, and the plan that a request becomes.

/** What a task needs to know of a model version; `taskModel` makes one from an opened directory. */
export interface TaskModel {
  readonly tokenizer: Tokenizer;
  readonly heads: readonly Head[];
  /** Longest sequence to build, special tokens included; never more than the model has positions. */
  readonly maxSequenceLength: number;
  /** How its maker turns a text into one vector, where it was made for that. */
  readonly encoding?: SentenceEncoding;
  /** Score of "no answer" from which a span-answerability head says so, as tuned when the version was made. */
  readonly nullThreshold?: number;
}

/** Bounds on what one request may ask for; a server narrows them by configuration. */
export interface TaskLimits {
  /** UTF-16 units of one text. */
  readonly maxCharacters: number;
  /** Windows that one document may be cut into. */
  readonly maxWindows: number;
}

/** No bound but memory: what the command line and evaluation run under. */
export const UNLIMITED: TaskLimits = {
  maxCharacters: Number.POSITIVE_INFINITY,
  maxWindows: Number.POSITIVE_INFINITY,
};

/**
 * One request, validated and turned into sequences; the same shape for every task. Hand `sequences` to an engine in any
 * batches, then call `answer` with the outputs in the order of `sequences`. A plan is pure data plus a pure function: it
 * may be answered twice, and dropped at any time.
 *
 *     const plan = planClassification(request, model);
 *     const { outputs } = await engine.run(plan.sequences);
 *     const answer = plan.answer(outputs);
 */
export interface TaskPlan<Answer> {
  /** Name of the head (or trunk output) that answers. */
  readonly head: string;
  readonly sequences: readonly SequenceInput[];
  /** Tokens of all sequences, special tokens included: what the request costs. */
  readonly tokens: number;
  /** Windows the document was cut into; 1 for tasks that do not cut. */
  readonly windows: number;
  /** Whether the model does not see some of the caller's text. */
  readonly truncated: boolean;
  /** @param outputs  one entry for each of `sequences`, in that order */
  answer(outputs: readonly SequenceOutput[]): Answer;
  /** For plans of many sequences: the same, part by part, so that neither inputs nor outputs are all in memory at once. */
  readonly inParts?: () => PlanInParts<Answer>;
}

/**
 * A plan that is carried out part by part. Take sequences, compute them, give their outputs back in the order in which they
 * were taken; several parts may be under way. The answer is the one that the whole plan would give.
 */
export interface PlanInParts<Answer> {
  /** Lengths in tokens of all sequences, in order: what the whole will cost. */
  readonly lengths: readonly number[];
  /** The next `count` sequences; fewer at the end. */
  take(count: number): SequenceInput[];
  /** Takes in the outputs of the oldest sequences that have none yet. */
  give(outputs: readonly SequenceOutput[]): void;
  /** When every output has been given. */
  answer(): Answer;
}

/** What to do with a text that does not fit: cut it as the official scripts do, or refuse the request. */
export type TruncationPolicy = "truncate" | "error";

/** How any request may say it wants to be run: the `options` of the public contract, as far as a task is concerned. */
export interface RunOptions {
  /** Name of the head to ask; may be left out when the model has one of a fitting kind. */
  readonly head?: string;
  /** What to do with too long a text; "truncate" when left out. */
  readonly truncation?: TruncationPolicy;
  /** Longest sequence, special tokens included; the model's own limit when left out. */
  readonly maxTokens?: number;
}

/** A task's view of an opened model directory. */
export function taskModel(model: ModelDescription): TaskModel {
  const { encoding } = model.manifest;
  const nullThreshold = model.manifest.metrics?.["null_score_diff_threshold"];
  return {
    tokenizer: model.tokenizer,
    heads: model.heads,
    maxSequenceLength: Math.min(model.manifest.maxSequenceLength, model.config.maxPositionEmbeddings),
    ...(encoding === undefined ? {} : { encoding }),
    ...(nullThreshold === undefined ? {} : { nullThreshold }),
  };
}

/**
 * The head a request means: the named one, or the only one of a fitting kind.
 *
 * @throws AlbertError precondition (HEAD_MISSING) when the model has no such head; invalid-input when several fit and
 *   none was named
 */
export function selectHead<K extends HeadKind>(
  model: TaskModel,
  kinds: readonly K[],
  name: string | undefined,
): Head & { readonly kind: K } {
  const fitting = model.heads.filter((head): head is Head & { readonly kind: K } =>
    (kinds as readonly HeadKind[]).includes(head.kind),
  );
  const wanted = kinds.join(" or ");
  const names = fitting.map((head) => head.name).join(", ");
  if (name !== undefined && name !== "") {
    const found = fitting.find((head) => head.name === name);
    if (found !== undefined) return found;
    throw headMissing(
      fitting.length === 0
        ? `the model has no ${wanted} head`
        : `the model has no ${wanted} head of that name; it has ${names}`,
      { wanted, available: names },
    );
  }
  if (fitting.length === 0) throw headMissing(`the model has no ${wanted} head`, { wanted });
  if (fitting.length > 1) {
    throw invalidInput([
      { field: "options.head", description: `the model has several ${wanted} heads; name one of ${names}` },
    ]);
  }
  return fitting[0]!;
}

/** Throws once with everything that was found wrong, or returns. */
export function refuseIfAny(violations: readonly FieldViolation[]): void {
  if (violations.length > 0) throw invalidInput(violations);
}

/** A request whose text does not fit and whose truncation policy is "error". */
export function inputTooLong(tokens: number, limit: number, suggestion: string): AlbertError {
  return new AlbertError(
    "invalid-input",
    `the input needs ${tokens} tokens, the limit is ${limit}: shorten it, or ${suggestion}`,
    {
      reason: "INPUT_TOO_LONG",
      metadata: { tokens: String(tokens), limit: String(limit), suggested_policy: suggestion },
    },
  );
}

function headMissing(message: string, metadata: Readonly<Record<string, string>>): AlbertError {
  return new AlbertError("precondition", message, { reason: "HEAD_MISSING", metadata });
}
