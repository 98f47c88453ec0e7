import type { AlbertConfig } from "../../model/config.ts";
import type { Dim } from "../onnx/graph-builder.ts";
import type { Feed, HeadOutput } from "./packed-inputs.ts";
import type { Weights } from "./weights.ts";

// What a head of the serving graph may build on, and what it gives. Types only.

/** What a head may build on. */
export interface HeadContext {
  readonly config: AlbertConfig;
  readonly weights: Weights;
  /** float32 [T, H] last block's output. */
  readonly hidden: string;
  /** float32 [P, H] pooled outputs of the sequences in `first_index`. */
  readonly pooled: string;
  readonly feed: Feed;
}

/** One output of a head, not yet published. */
export interface HeadValue {
  readonly output: HeadOutput;
  readonly value: string;
  readonly dtype: "float32" | "int32";
  /** [rows or sequences, ...] */
  readonly dims: readonly Dim[];
}
