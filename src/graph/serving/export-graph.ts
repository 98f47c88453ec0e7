import { type Head, readsPooled } from "../../model/heads.ts";
import { GraphBuilder } from "../onnx/graph-builder.ts";
import { DATA_TYPE } from "../onnx/tensors.ts";
import type { HeadValue } from "./head-context.ts";
import type { Target } from "./lowering.ts";
import { ATTENTION_INPUTS, type Feed, headInput, PACKED_INPUTS } from "./packed-inputs.ts";
import { emitModel, type ServingModel } from "./serving-graph.ts";

/** Logit of a place without a token. */
const PADDING_LOGIT = -10_000;
/** Official beam widths. */
const BEAM = 5;

/**
 * A model as a graph for ONNX Runtime anywhere, with the inputs and outputs people expect of such files. Inside it is the
 * packed serving graph: padding is taken out first and costs at most in attention.
 *
 * Inputs, int64 [B, S]: `input_ids`, `attention_mask` (1 token, 0 padding; each text's tokens come first), `token_type_ids`;
 * and `answer_mask` (1 where no answer may start or end) if the model has a span-answerability head.
 *
 * Outputs: `last_hidden_state` float32 [B, S, H], zero at padding; `pooler_output` float32 [B, H]; and per head, where a
 * model with several heads puts `<head name>_` before each name:
 *
 * | head | outputs |
 * |---|---|
 * | classification, multiple-choice, sentence-order | `logits` [B, C] |
 * | span | `start_logits` [B, S], `end_logits` [B, S]; -10000 at padding |
 * | masked-lm | `logits` [B, S, V]; -10000 at padding |
 * | span-answerability | `start_top_log_probs`, `start_top_index` [B, 5], `end_top_log_probs`, `end_top_index` [B, 25], `cls_logits` [B] |
 *
 * Texts without a single token have meaningless rows.
 *
 * @throws AlbertError corrupt when a variable is missing or misshapen
 */
export function buildExportGraph(model: ServingModel, target: Target): GraphBuilder {
  const graph = new GraphBuilder("albert");
  const layout = packInside(graph, model.heads);
  const { hidden, pooled, heads } = emitModel(graph, model, layout.feed, { target });
  const { hiddenSize } = model.config;
  const scatter = (rows: string, padding: number) => {
    const places = graph.op("Gather", [rows, layout.padIndex]); // [B, S, ...]
    return graph.op("Where", [layout.isToken, places, graph.float(padding)]);
  };
  graph.output(scatter(hidden, 0), "float32", ["B", "S", hiddenSize], "last_hidden_state");
  graph.output(pooled, "float32", ["B", hiddenSize], "pooler_output");
  for (const [head, values] of heads) {
    const prefix = model.heads.length === 1 ? "" : `${head.name}_`;
    publish(graph, { head, values, prefix, scatter: (rows) => scatter(rows, PADDING_LOGIT) });
  }
  return graph;
}

/** How the rest of the graph finds a batch that `packInside` packed. */
interface PackedInside {
  readonly feed: Feed;
  /** [B, S] row of each place; a place without a token has its text's first row. */
  readonly padIndex: string;
  /** bool [B, S, 1] */
  readonly isToken: string;
}

/** Computes the packed inputs from a padded batch and its mask. */
function packInside(g: GraphBuilder, heads: readonly Head[]): PackedInside {
  const int32 = { to: { int: DATA_TYPE.int32 } };
  const ids = g.input("input_ids", "int64", ["B", "S"]);
  const mask = g.input("attention_mask", "int64", ["B", "S"]);
  const types = g.input("token_type_ids", "int64", ["B", "S"]);
  const flat = (value: string) => g.op("Reshape", [value, g.ints([-1])]);
  const last = g.ints([-1]);
  const axis0 = g.constant("int64", [], [0]);
  const one = g.constant("int64", [], [1]);

  const isToken = g.op("Greater", [mask, g.constant("int64", [], [0])]); // [B, S]
  const counted = g.op("Cast", [isToken], { to: { int: DATA_TYPE.int64 } });
  const places = g.op("Squeeze", [g.op("NonZero", [flat(counted)]), g.ints([0])]); // [T]
  const width = g.op("Gather", [g.op("Shape", [ids]), g.constant("int64", [], [1])]);
  const lengths = g.op("ReduceSum", [counted, g.ints([1])], { keepdims: { int: 0 } }); // [B]
  const starts = g.op("CumSum", [lengths, axis0], { exclusive: { int: 1 } }); // [B]
  const lastRow = g.op("Sub", [g.op("ReduceSum", [lengths], { keepdims: { int: 0 } }), one]);
  const firstRows = g.op("Min", [starts, lastRow]); // a text without tokens after the last row borrows that
  const order = g.op("Sub", [g.op("CumSum", [flat(counted), axis0]), one]); // [B * S]
  const rows = g.op("Reshape", [order, g.op("Shape", [ids])]); // [B, S]
  const padIndex = g.op("Where", [isToken, rows, g.op("Unsqueeze", [firstRows, last])]);
  const batch = g.op("Shape", [lengths]); // [1]
  const upTo = (size: string) => g.op("Range", [axis0, g.op("Squeeze", [size, g.ints([0])]), one]);
  const atLeastOne = g.op("Max", [lengths, one]);

  const values: Record<string, string> = {
    [PACKED_INPUTS.inputIds]: g.op("Gather", [flat(ids), places]),
    [PACKED_INPUTS.tokenTypeIds]: g.op("Gather", [flat(types), places]),
    [PACKED_INPUTS.positionIds]: g.op("Mod", [places, width]),
    [PACKED_INPUTS.firstIndex]: firstRows,
    [ATTENTION_INPUTS.padIndex]: padIndex,
    [ATTENTION_INPUTS.unpadIndex]: places,
    [ATTENTION_INPUTS.keyMask]: g.op("Cast", [counted], int32),
    ...packedAttention(g, { isToken, places, starts }),
  };
  for (const { name, kind } of heads) {
    if (kind !== "span-answerability") {
      values[headInput(name, "index")] = upTo(readsPooled(kind) ? batch : g.op("Shape", [places]));
      continue;
    }
    const answerMask = g.inputs.some((input) => input.name === "answer_mask")
      ? "answer_mask"
      : g.input("answer_mask", "int64", ["B", "S"]);
    const beam = g.op("Min", [atLeastOne, g.constant("int64", [], [BEAM])]);
    const forbidden = g.op("Gather", [flat(answerMask), places]);
    values[headInput(name, "starts")] = g.op("Cast", [firstRows], int32);
    values[headInput(name, "lengths")] = g.op("Cast", [atLeastOne], int32);
    values[headInput(name, "start_top_n")] = beam;
    values[headInput(name, "end_top_n")] = beam;
    values[headInput(name, "widest")] = g.ints([BEAM, BEAM]);
    values[headInput(name, "answer_mask")] = g.op("Cast", [forbidden], { to: { int: DATA_TYPE.float32 } });
  }
  return { feed: (name) => values[name]!, padIndex, isToken: g.op("Unsqueeze", [isToken, last]) };
}

/** The two inputs that only attention without padding reads. */
function packedAttention(
  g: GraphBuilder,
  { isToken, places, starts }: Record<"isToken" | "places" | "starts", string>,
) {
  const int32 = { to: { int: DATA_TYPE.int32 } };
  const free = g.op("NonZero", [g.op("Reshape", [g.op("Not", [isToken]), g.ints([-1])])]);
  const order = g.op("Concat", [places, g.op("Squeeze", [free, g.ints([0])])], { axis: { int: 0 } });
  const offsets = g.op("Reshape", [order, g.op("Shape", [isToken])]); // [B, S]
  const ends = g.op("Concat", [starts, g.op("Shape", [places])], { axis: { int: 0 } }); // [B + 1]
  return {
    [ATTENTION_INPUTS.tokenOffset]: g.op("Cast", [offsets], int32),
    [ATTENTION_INPUTS.cumulativeLengths]: g.op("Cast", [ends], int32),
  };
}

interface PublishedHead {
  readonly head: Head;
  readonly values: readonly HeadValue[];
  readonly prefix: string;
  /** [T, n] to [B, S, n] */
  readonly scatter: (rows: string) => string;
}

function publish(g: GraphBuilder, { head, values, prefix, scatter }: PublishedHead): void {
  const named = (output: HeadValue["output"]) => values.find((it) => it.output === output)!;
  if (head.kind === "span-answerability") {
    const flatten = (value: string) => g.op("Flatten", [value]);
    const beams = BEAM * BEAM;
    g.output(named("start_log_probs").value, "float32", ["B", BEAM], `${prefix}start_top_log_probs`);
    g.output(named("start_indexes").value, "int32", ["B", BEAM], `${prefix}start_top_index`);
    g.output(flatten(named("end_log_probs").value), "float32", ["B", beams], `${prefix}end_top_log_probs`);
    g.output(flatten(named("end_indexes").value), "int32", ["B", beams], `${prefix}end_top_index`);
    const answerability = g.op("Squeeze", [named("answerability_logits").value, g.ints([1])]);
    g.output(answerability, "float32", ["B"], `${prefix}cls_logits`);
    return;
  }
  const { value, dims } = named("logits");
  if (head.kind === "span") {
    const [start, end] = g.node("Split", [scatter(value)], {
      attributes: { axis: { int: -1 }, num_outputs: { int: 2 } },
      outputs: 2,
    });
    g.output(g.op("Squeeze", [start!, g.ints([2])]), "float32", ["B", "S"], `${prefix}start_logits`);
    g.output(g.op("Squeeze", [end!, g.ints([2])]), "float32", ["B", "S"], `${prefix}end_logits`);
  } else if (readsPooled(head.kind)) {
    g.output(value, "float32", ["B", dims[1]!], `${prefix}logits`);
  } else {
    g.output(scatter(value), "float32", ["B", "S", dims[1]!], `${prefix}logits`);
  }
}
