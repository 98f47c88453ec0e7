import "@tensorflow/tfjs-backend-cpu";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import {
  gather,
  logSoftmax,
  logSumExp,
  reshape,
  setBackend,
  type Tensor1D,
  type Tensor2D,
  tidy,
} from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { openCheckpoint } from "../../src/model/checkpoint/open-checkpoint.ts";
import { readSafetensors } from "../../src/model/formats/safetensors.ts";
import { NO_DROPOUT } from "../../src/model/forward/dropout.ts";
import { encode } from "../../src/model/forward/encoder.ts";
import { gatherTokens } from "../../src/model/forward/gather-tokens.ts";
import { pooledLogits } from "../../src/model/forward/heads/classification.ts";
import { maskedLmLogits } from "../../src/model/forward/heads/masked-lm.ts";
import { crossEntropy } from "../../src/model/forward/losses.ts";
import { pool } from "../../src/model/forward/pooler.ts";
import { readJsonObject } from "../../src/platform/json-file.ts";
import { expectClose } from "../support/closeness.ts";
import { fixture, missing } from "../support/fixtures.ts";
import { fixtureTensor, trunkInputs, variablesOf } from "./forward-inputs.ts";

const models = fixture("models");
const cases = models === undefined ? [] : modelCases(models);

function modelCases(directory: string): { model: string; batch: string }[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) =>
      readdirSync(join(directory, name)).flatMap((file) => {
        const batch = /^expected_(.*)\.safetensors$/.exec(file)?.[1];
        return batch === undefined ? [] : [{ model: name, batch }];
      }),
    );
}

describe.skipIf(missing("fixtures/models", cases.length > 0))(
  "ALBERT in TensorFlow.js equals the official code",
  () => {
    beforeAll(async () => {
      await setBackend("cpu");
    });

    it.each(cases)("$model, batch $batch: every layer, both heads, losses", async ({ model, batch }) => {
      const directory = join(models!, model);
      const { config, parameters, heads } = await openCheckpoint(join(directory, "model.ckpt-best"));
      const { tensors } = await readSafetensors(join(directory, `expected_${batch}.safetensors`));
      const scalars = await readJsonObject(join(directory, `expected_${batch}.json`));
      const maskedLm = heads.find(({ kind }) => kind === "masked-lm")!;
      const sentenceOrder = heads.find(({ kind }) => kind === "sentence-order")!;
      tidy(() => {
        const variables = variablesOf(parameters);
        const inputs = trunkInputs(tensors);
        const output = encode(config, variables, inputs, NO_DROPOUT);
        const [rows, length] = inputs.inputIds.shape;
        const pooled = pool(config, variables, output);
        const positions = fixtureTensor<Tensor2D>(tensors, "masked_lm_positions");
        const wordLogits = maskedLmLogits(
          config,
          variables,
          maskedLm,
          gatherTokens(output.sequenceOutput, length, positions),
        );
        const wordLosses = crossEntropy(wordLogits, reshape(fixtureTensor(tensors, "masked_lm_ids"), [-1]) as Tensor1D);
        const orderLogits = pooledLogits(variables, sentenceOrder, pooled);
        const labels: Tensor1D = reshape(fixtureTensor(tensors, "next_sentence_labels"), [-1]);
        const orderLosses = crossEntropy(orderLogits, labels);

        const loose = rowsWithoutTokens(tensors.get("input_mask")!.data as Int32Array, rows, length);
        const check = (name: string, actual: { dataSync(): ArrayLike<number> }, absolute: number) => {
          const expected = tensors.get(name);
          if (expected === undefined) return;
          compareRows(name, actual.dataSync(), expected.data as Float32Array, rows, loose, absolute);
        };
        check("word_embedding_output", output.wordEmbeddings, 2e-5);
        check("embedding_output", output.embeddingOutput, 2e-5);
        expect(output.blocks.length).toBe(scalars["num_layer_outputs"]);
        for (const [index, block] of output.blocks.entries()) check(`layer_${index}`, block, 2e-5);
        check("sequence_output", output.sequenceOutput, 2e-5);
        check("pooled_output", pooled, 2e-5);
        check("mlm_logits", wordLogits, 5e-5);
        const best = fixtureTensor<Tensor2D>(tensors, "mlm_top20_ids");
        const ofEachWord = reshape(best, [-1, best.shape.at(-1)!]) as Tensor2D;
        check("mlm_top20_logits", gather(wordLogits, ofEachWord, 1, 1), 5e-5);
        check("mlm_top20_log_probs", gather(logSoftmax(wordLogits), ofEachWord, 1, 1), 5e-5);
        check("mlm_logsumexp", logSumExp(wordLogits, -1), 5e-5);
        check("masked_lm_example_loss", wordLosses, 5e-5);
        check("sop_logits", orderLogits, 5e-5);
        check("sop_log_probs", logSoftmax(orderLogits), 5e-5);
        check("sop_example_loss", orderLosses, 5e-5);
        const firstTwo = tensors.get("mlm_logits_first2_rows");
        if (firstTwo !== undefined && !loose.has(0)) {
          const values = wordLogits.dataSync().subarray(0, firstTwo.data.length);
          expectClose(values, firstTwo.data as Float32Array, { absolute: 5e-5 }, "first two rows of logits");
        }

        const weights = tensors.get("masked_lm_weights")!.data as Float32Array;
        const losses = Array.from<number>(wordLosses.dataSync());
        const total = weights.reduce((sum, weight) => sum + weight, 0) + 1e-5;
        const maskedLoss = losses.reduce((sum, loss, index) => sum + loss * weights[index]!, 0) / total;
        const orderLoss = Array.from<number>(orderLosses.dataSync()).reduce((sum, loss) => sum + loss, 0) / rows;
        const bound = loose.size > 0 ? 5e-3 : 5e-5;
        expect(Math.abs(maskedLoss - Number(scalars["masked_lm_loss"]))).toBeLessThan(bound);
        expect(Math.abs(orderLoss - Number(scalars["sop_loss"]))).toBeLessThan(bound);
        expect(Math.abs(maskedLoss + orderLoss - Number(scalars["total_loss"]))).toBeLessThan(bound);
      });
    });
  },
);

/** Rows that attend to nothing: all their scores carry -10000, and float32 keeps only about 1e-3 of what is added. */
function rowsWithoutTokens(mask: Int32Array, rows: number, length: number): Set<number> {
  const indexes = Array.from({ length: rows }, (_, row) => row);
  return new Set(indexes.filter((row) => mask.subarray(row * length, (row + 1) * length).every((one) => one === 0)));
}

function compareRows(
  name: string,
  actual: ArrayLike<number>,
  expected: Float32Array,
  rows: number,
  loose: ReadonlySet<number>,
  absolute: number,
): void {
  expect(actual.length, name).toBe(expected.length);
  const values = Array.from(actual);
  const size = values.length / rows;
  for (let row = 0; row < rows; row++) {
    expectClose(
      values.slice(row * size, (row + 1) * size),
      expected.subarray(row * size, (row + 1) * size),
      { absolute: loose.has(row) ? 5e-3 : absolute },
      `${name}, row ${row}`,
    );
  }
}
