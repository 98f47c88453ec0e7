import type { ResponseMeta } from "../../gen/albert/v1/inference_pb.js";
import type { CallContext } from "../call/call.ts";
import type { InferenceCalls } from "../inference/items.ts";
import type { OptionsInit } from "./options.ts";
import type { Parameters } from "./parameters.ts";
import type { OutputSpec, RowValue } from "./tensor.ts";

// What the tasks have in common that answer tensors: inputs, outputs, and a call of our own contract for each row.

/** An input: one text for each row, or several. */
export interface InputSpec {
  readonly name: string;
  readonly optional?: boolean;
  /** Whether a row holds several texts. */
  readonly several?: boolean;
}

/** The texts of one row, by input. */
export interface Row {
  /** The only text of an input. */
  text(name: string): string;
  optionalText(name: string): string | undefined;
  texts(name: string): string[];
}

/** What one row was answered. */
export interface RowAnswer {
  readonly meta: ResponseMeta | undefined;
  /** By name of output. */
  readonly values: Readonly<Record<string, RowValue>>;
}

/** Answers one row through the call of our own contract. */
export type RowCall = (row: Row, calls: InferenceCalls, context: CallContext) => Promise<RowAnswer>;

export interface TensorTask {
  readonly inputs: readonly InputSpec[];
  readonly outputs: readonly OutputSpec[];
  /** What answers in its stead where the parameters ask for outputs of another form. */
  variant?(parameters: Parameters): TensorTask;
  /** Reads the task's own parameters; what it returns answers each row. */
  prepare(options: OptionsInit, parameters: Parameters): RowCall;
}
