import { buildServingGraph, productInput, type ServingModel } from "../../graph/serving/serving-graph.ts";
import { type TrunkProduct, trunkProducts } from "../../model/activation-scales.ts";
import { packBatch } from "../batch/packed-batch.ts";
import { availableThreads } from "../cpu-quota.ts";
import type { SequenceInput } from "../engine.ts";
import { removeModelFiles, writeModelFiles } from "../session/model-files.ts";
import { OrtSession } from "../session/ort.ts";

// Runs a model in float32 and shows what its products multiply.

/** What the applications of one product multiplied in one batch. */
export interface ObservedInputs {
  readonly product: TrunkProduct;
  /** float32 [tokens, inputs] of each application. */
  readonly applications: readonly Float32Array[];
}

export interface ObserveOptions {
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Bytes of inputs that one batch may publish; one sequence may exceed it. */
const BATCH_BYTES = 64 << 20;

/**
 * Runs sequences through the float32 graph in batches and hands over the inputs of every product of the trunk. The runtime's
 * calls block this thread.
 *
 * @param see  called once for each batch, whose arrays are the receiver's
 */
export async function observeInputs(
  model: ServingModel,
  sequences: readonly SequenceInput[],
  see: (inputs: readonly ObservedInputs[]) => void,
  { threads = availableThreads(), signal }: ObserveOptions = {},
): Promise<void> {
  const { heads, config } = model;
  const products = trunkProducts(config);
  const bytesOfToken = products.reduce((sum, { inputs, applications }) => sum + 4 * inputs * applications, 0);
  const files = await writeModelFiles(buildServingGraph(model, { target: "cpu", productInputs: true }));
  try {
    const session = await OrtSession.create(files.modelPath, { device: "cpu", threads });
    try {
      for (const batch of batchesOf(sequences, BATCH_BYTES / bytesOfToken)) {
        signal?.throwIfAborted();
        const outputs = await session.run(packBatch({ target: "cpu", heads }, batch).feeds);
        const rows = (product: string, application: number) =>
          outputs[productInput(product, application)]!.data as Float32Array; // as the graph declares it
        see(
          products.map((product) => ({
            product,
            applications: Array.from({ length: product.applications }, (_, at) => rows(product.name, at)),
          })),
        );
      }
    } finally {
      await session.dispose();
    }
  } finally {
    await removeModelFiles(files);
  }
}

function* batchesOf(sequences: readonly SequenceInput[], mostTokens: number): Generator<SequenceInput[]> {
  let batch: SequenceInput[] = [];
  let tokens = 0;
  for (const sequence of sequences) {
    const { length } = sequence.inputIds;
    if (batch.length > 0 && tokens + length > mostTokens) {
      yield batch;
      batch = [];
      tokens = 0;
    }
    batch.push(sequence);
    tokens += length;
  }
  if (batch.length > 0) yield batch;
}
