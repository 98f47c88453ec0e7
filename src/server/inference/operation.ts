import type { Message } from "@bufbuild/protobuf";
import type { RequestOptions } from "../../gen/albert/v1/inference_pb.js";
import type { RunOptions, TaskLimits } from "../../tasks/plan.ts";
import type { TaskKind, Tasks } from "../../tasks/task-request.ts";
import type { EnumFields } from "./request-options.ts";

/** Bounds that the server sets on one request. */
export interface RequestLimits extends TaskLimits {
  readonly maxChoices: number;
}

/** A request of any of the calls that answer one. */
export type InferenceRequestMessage = Message & { readonly options?: RequestOptions | undefined };

/** What reading a request may look at. */
export interface Reading {
  readonly limits: RequestLimits;
  /** The request's own options. */
  readonly run: RunOptions;
  /** Where violations of fields are collected that the task's input cannot hold. */
  readonly fields: EnumFields;
}

/**
 * One call that answers a request: how its message becomes a task's input, and the answer a reply. All else (choosing the
 * model, admission, planning, deadlines, timing, metrics) is the same for every call and lives in the serving room.
 */
export interface Operation<Request extends InferenceRequestMessage, K extends TaskKind, Reply> {
  readonly task: K;
  read(request: Request, reading: Reading): Tasks[K]["input"];
  /** The reply without its `meta`. */
  reply(answer: Tasks[K]["answer"], request: Request): Reply;
}
