import type { Head } from "../model/heads.ts";
import type { Engine, SequenceInput } from "../runtime/engine.ts";
import { argmax, crossEntropy } from "../tasks/metrics/classification-metrics.ts";
import type { Instances } from "./step-source.ts";

// Measures a model on pretraining instances with the official metrics.

/** The official metrics of pretraining, by their official names. */
export type PretrainingMetrics = Readonly<
  Record<"masked_lm_accuracy" | "masked_lm_loss" | "sentence_order_accuracy" | "sentence_order_loss" | "loss", number>
>;

/** Tokens handed to the engine at once. */
const BATCH_TOKENS = 4096;

/**
 * Measures masked language modelling and sentence order on instances, through the serving graph. Masked-LM numbers are means
 * over predicted tokens, sentence-order numbers over instances; `loss` is the sum of both losses.
 *
 * @param count  instances of epoch 0 to take, from the first; all of them if there are fewer
 */
export async function evaluatePretraining(
  engine: Engine,
  heads: { readonly maskedLm: Head; readonly sentenceOrder: Head },
  instances: Instances,
  count: number,
): Promise<PretrainingMetrics> {
  const { maskedLm, sentenceOrder } = heads;
  const sums = { predictions: 0, maskedCorrect: 0, maskedLoss: 0, instances: 0, orderCorrect: 0, orderLoss: 0 };
  const total = Math.min(count, instances.length);
  for (let from = 0; from < total; ) {
    const batch = [];
    for (let tokens = 0; from < total && tokens < BATCH_TOKENS; from++) {
      const instance = instances.instance(0, from);
      batch.push(instance);
      tokens += instance.inputIds.length;
    }
    const { outputs } = await engine.run(
      batch.map(
        ({ inputIds, segmentIds, maskedPositions }): SequenceInput => ({
          inputIds,
          tokenTypeIds: segmentIds,
          outputs: [maskedLm.name, sentenceOrder.name],
          maskedPositions,
        }),
      ),
    );
    for (const [index, { maskedIds, label }] of batch.entries()) {
      const logits = outputs[index]!.get(maskedLm.name)!["logits"]!;
      const vocabSize = logits.length / Math.max(1, maskedIds.length);
      for (const [p, id] of maskedIds.entries()) {
        const row = logits.subarray(p * vocabSize, (p + 1) * vocabSize);
        sums.maskedLoss += crossEntropy(row, id);
        if (argmax(row) === id) sums.maskedCorrect++;
      }
      const order = outputs[index]!.get(sentenceOrder.name)!["logits"]!;
      sums.orderLoss += crossEntropy(order, label);
      if (argmax(order) === label) sums.orderCorrect++;
      sums.predictions += maskedIds.length;
      sums.instances++;
    }
  }
  const maskedLoss = sums.maskedLoss / sums.predictions;
  const orderLoss = sums.orderLoss / sums.instances;
  return {
    masked_lm_accuracy: sums.maskedCorrect / sums.predictions,
    masked_lm_loss: maskedLoss,
    sentence_order_accuracy: sums.orderCorrect / sums.instances,
    sentence_order_loss: orderLoss,
    loss: maskedLoss + orderLoss,
  };
}

/** Wilson's 95 % interval of a share. */
export function shareInterval(share: number, count: number): readonly [low: number, high: number] {
  const z = 1.959964;
  const centre = share + (z * z) / (2 * count);
  const spread = z * Math.sqrt((share * (1 - share)) / count + (z * z) / (4 * count * count));
  const scale = 1 + (z * z) / count;
  return [(centre - spread) / scale, (centre + spread) / scale];
}
