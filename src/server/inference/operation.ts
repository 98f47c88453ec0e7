import type { Message } from "@bufbuild/protobuf";
import type { RequestOptions } from "../../gen/albert/v1/inference_pb.js";
import type { HeadKind } from "../../model/heads.ts";
import type { Decision } from "../../serving/models/shadow.ts";
import type { RunOptions, TaskLimits, TaskModel, TaskPlan } from "../../tasks/plan.ts";
import type { EnumFields } from "./request-options.ts";

/** Bounds that the server sets on one request. */
export interface RequestLimits extends TaskLimits {
  readonly maxChoices: number;
}

/** A request of any of the calls that answer one. */
export type InferenceRequestMessage = Message & { readonly options?: RequestOptions | undefined };

/** What planning a request may look at. */
export interface Planning {
  readonly model: TaskModel;
  readonly limits: RequestLimits;
  readonly run: RunOptions;
  /** Where violations of enum fields are collected. */
  readonly fields: EnumFields;
}

/**
 * One kind of question: how a request becomes a plan, and an answer becomes a reply. All else (choosing the model,
 * admission, deadlines, timing, metrics) is the same for every kind and lives in the serving room.
 */
export interface Operation<Request extends InferenceRequestMessage, Answer, Reply> {
  /** The metrics' name for it. */
  readonly task: string;
  /** Kinds of heads of which it needs one, to choose the model of a request that names none; absent: any model will do. */
  readonly heads?: readonly HeadKind[];
  plan(request: Request, planning: Planning): TaskPlan<Answer>;
  /** The reply without its `meta`. */
  reply(answer: Answer, request: Request): Reply;
  /** What the answer comes down to, for comparing two versions; absent for answers that decide nothing. */
  decide?(answer: Answer): Decision;
}
