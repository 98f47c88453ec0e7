import { AlbertError, type FieldViolation, invalidInput } from "../../errors.ts";
import type { ResponseMeta } from "../../gen/albert/v1/inference_pb.js";
import type { ModelRegistry } from "../../serving/models/registry.ts";
import type { CallContext } from "../call/call.ts";
import { backpressure, type InferenceCalls, type QueueLoad } from "../inference/items.ts";
import { findModel } from "../inference/models.ts";
import { omitUndefined } from "../inference/request-fields.ts";
import { chooseTask, TASK_NAMES, TENSOR_TASKS } from "./choose-task.ts";
import { type NamedVersion, readRequestOptions } from "./options.ts";
import type { Parameters, ParameterValue } from "./parameters.ts";
import { readRows } from "./rows.ts";
import type { Row, RowAnswer, RowCall, TensorTask } from "./task.ts";
import { stackRows, type Tensor, type TextTensor } from "./tensor.ts";

// One request of tensors: its rows are answered at the same time, each by the call of our own contract that fits, and
// therefore by the same queue, within the same limits and with the same errors.

/** A request of tensors, however it came. */
export interface TensorRequest extends NamedVersion {
  readonly inputs: readonly TextTensor[];
  /** Names of the outputs to give, in this order; empty: all of the task. */
  readonly outputs: readonly string[];
  readonly parameters: Parameters;
  /** What its reader found wrong. */
  readonly violations: readonly FieldViolation[];
}

export interface TensorReply {
  readonly version: string;
  readonly parameters: Readonly<Record<string, ParameterValue>>;
  readonly outputs: readonly Tensor[];
}

/** What answers tensors. */
export interface TensorAnswering {
  readonly calls: InferenceCalls;
  readonly models: ModelRegistry;
  readonly queue: QueueLoad;
  /** Most rows of a request. */
  readonly maxRows: number;
  /** Predicted wait from which the queue refuses. */
  readonly maxQueueMs: number;
}

/** Unit of the parameter `timeout`, as the protocol's clients send it. */
const MICROSECONDS_PER_MS = 1000;

/**
 * Answers one request of tensors. It fails as a whole with the error of the first row that failed.
 *
 * @throws AlbertError invalid-input with every wrong field; what the calls of our own contract throw
 */
export async function inferTensors(
  request: TensorRequest,
  context: CallContext,
  answering: TensorAnswering,
): Promise<TensorReply> {
  const { parameters, model, version } = request;
  if (model === "") throw invalidInput([{ field: "model_name", description: "must name a model" }]);
  const { heads } = findModel(answering.models, {
    name: model,
    ...omitUndefined({ version: version || undefined }),
  }).model;
  const named = parameters.choice("task", TASK_NAMES);
  const options = readRequestOptions(request, parameters);
  const inputs = request.inputs.map(({ name }) => name);
  const { name, head } = chooseTask(heads, { task: named, head: options.head, inputs });
  const chosen: TensorTask = TENSOR_TASKS[name];
  const task = chosen.variant?.(parameters) ?? chosen;
  const answer = task.prepare({ ...options, ...omitUndefined({ head }) }, parameters);
  const timeout = parameters.count("timeout");
  parameters.refuseOthers();
  const violations = [...request.violations, ...parameters.violations];
  const rows = readRows(task.inputs, request.inputs, answering.maxRows, violations);
  const outputs = chosenOutputs(task, request.outputs, violations);
  if (violations.length > 0) throw invalidInput(violations);
  const answers = await answerRows(rows, answer, withTimeout(context, timeout), answering);
  return {
    ...described(answers),
    outputs: outputs.map((output) =>
      stackRows(
        output,
        answers.map(({ values }) => values[output.name]!),
      ),
    ), // a task gives all its outputs
  };
}

function chosenOutputs({ outputs }: TensorTask, names: readonly string[], violations: FieldViolation[]) {
  if (names.length === 0) return outputs;
  return names.flatMap((name) => {
    const output = outputs.find((candidate) => candidate.name === name);
    if (output !== undefined) return [output];
    const given = outputs.map((candidate) => candidate.name).join(", ");
    violations.push({ field: `outputs.${name}`, description: `is no output of this task; it gives ${given}` });
    return [];
  });
}

/** A caller may wait less long than its call allows. */
function withTimeout(context: CallContext, microseconds: number | undefined): CallContext {
  if (microseconds === undefined || microseconds === 0) return context;
  const deadlineAt = Math.min(context.deadlineAt, context.receivedAt + microseconds / MICROSECONDS_PER_MS);
  return derived(context, { deadlineAt });
}

/** The context of a part of a call. */
function derived(whole: CallContext, changed: Partial<Pick<CallContext, "deadlineAt" | "signal">>): CallContext {
  const { method, requestId, receivedAt, deadlineAt, signal, draining, peer, caller, allowance, trace } = whole;
  return {
    ...{ method, requestId, receivedAt, deadlineAt, signal, draining, peer, caller, allowance, trace, ...changed },
    header: (name) => whole.header(name),
    annotate: (facts) => whole.annotate(facts),
  };
}

/** Answers all rows; once one has failed, those that wait are given up. */
async function answerRows(
  rows: readonly Row[],
  answer: RowCall,
  context: CallContext,
  { calls, queue, maxQueueMs }: TensorAnswering,
): Promise<RowAnswer[]> {
  // One row is refused like any request; of several, the later ones wait here for their turn.
  const [only, ...more] = rows;
  if (only !== undefined && more.length === 0) return [await answer(only, calls, context)];
  context.allowance?.spend("requests", more.length);
  const failed = new AbortController();
  const part = derived(context, { signal: AbortSignal.any([context.signal, failed.signal]) });
  const answers: Promise<RowAnswer>[] = [];
  for (const [index, row] of rows.entries()) {
    if (failed.signal.aborted) break;
    await backpressure(queue, maxQueueMs, context.signal);
    const answered = answer(row, calls, part);
    answered.catch((error: unknown) => failed.abort(inRow(error, index)));
    answers.push(answered);
  }
  try {
    return await Promise.all(answers);
  } catch (error) {
    throw failed.signal.aborted ? failed.signal.reason : error;
  }
}

/** An error that says which row it belongs to. */
function inRow(error: unknown, row: number): unknown {
  if (!(error instanceof AlbertError)) return error;
  const { code, message, reason, metadata, violations, retryAfterMs, cause } = error;
  return new AlbertError(code, message, {
    ...{ reason, violations, cause, metadata: { ...metadata, row: String(row) } },
    ...omitUndefined({ retryAfterMs }),
  });
}

/** Which version answered, and how. While a name changes versions, rows of one request may be answered by two. */
function described(answers: readonly RowAnswer[]): Omit<TensorReply, "outputs"> {
  const metas = answers.map(({ meta }) => meta).filter((meta): meta is ResponseMeta => meta !== undefined);
  const versions = [...new Set(metas.map(({ version }) => version))];
  const [first] = metas;
  return {
    version: first?.version ?? "",
    parameters: {
      head: first?.head ?? "",
      digest: first?.digest ?? "",
      device: first?.device ?? "",
      request_id: first?.requestId ?? "",
      tokens: metas.reduce((sum, { tokens }) => sum + tokens, 0),
      truncated: metas.some(({ truncated }) => truncated),
      ...(metas.every(({ cached }) => cached) ? { cached: true } : {}),
      ...(versions.length > 1 ? { versions: versions.join(",") } : {}),
    },
  };
}
