import type { Message } from "@bufbuild/protobuf";
import type { FieldViolation } from "../../errors.ts";
import type { RequestOptions } from "../../gen/albert/v1/inference_pb.js";
import type { RunOptions, TaskLimits, TaskModel, TaskPlan } from "../../tasks/plan.ts";
import type { EnumFields } from "./request-options.ts";

/** Bounds that the server sets on one request. */
export interface RequestLimits extends TaskLimits {
  readonly maxChoices: number;
}

/** What planning a request may look at. */
export interface Planning {
  readonly model: TaskModel;
  readonly limits: RequestLimits;
  readonly run: RunOptions;
  readonly fields: EnumFields;
}

/**
 * One kind of question: how a request becomes a plan, and an answer becomes a reply. All else (choosing the model,
 * admission, deadlines, timing, metrics) is the same for every kind and lives in `answer-request.ts`.
 */
export interface Operation<Request extends Message & { readonly options?: RequestOptions }, Answer, Reply> {
  /** The metrics' name for it. */
  readonly task: string;
  plan(request: Request, planning: Planning): TaskPlan<Answer>;
  /** The reply without its `meta`. */
  reply(answer: Answer, request: Request, model: TaskModel, plan: TaskPlan<Answer>): Reply;
}

/** One more violation than the list holds. */
export function violation(field: string, description: string): FieldViolation {
  return { field, description };
}
