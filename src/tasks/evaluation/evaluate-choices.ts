import type { OutputName } from "../../runtime/engine.ts";
import type { ChoiceExample } from "../datasets/examples.ts";
import { argmax, crossEntropy } from "../metrics/classification-metrics.ts";
import { defaultQaLength, encodeChoices } from "../multiple-choice/choice-sequence.ts";
import { finiteOutput } from "../outputs.ts";
import { softmax } from "../probabilities.ts";
import type { ChoicePrediction, DatasetEvaluation, EvaluationInput } from "./prediction.ts";
import { runSequences } from "./run-sequences.ts";

/** Evaluates questions with choices; accuracy over all and, for RACE, for each level. */
export async function evaluateChoices(
  input: EvaluationInput<ChoiceExample>,
  head: OutputName,
): Promise<DatasetEvaluation> {
  const { engine, model, options } = input;
  const { tokenizer, maxSequenceLength } = model;
  const lengths = { maxSequenceLength, maxQaLength: options.maxQaLength ?? defaultQaLength(maxSequenceLength) };
  const rows: ChoicePrediction[] = [];
  const levels = new Map<string, { right: number; count: number }>();
  let tokens = 0;
  let loss = 0;
  async function* items() {
    let context = { text: "", pieces: tokenizer.tokenize("") };
    for await (const example of input.examples) {
      if (context.text !== example.context)
        context = { text: example.context, pieces: tokenizer.tokenize(example.context) };
      const asked = { question: example.question, options: example.choices };
      const sequences = encodeChoices(tokenizer, context.pieces, asked, lengths).map(({ inputIds, tokenTypeIds }) => {
        tokens += inputIds.length;
        return { inputIds, tokenTypeIds, outputs: [head] };
      });
      yield { example, sequences };
    }
  }
  for await (const { item, outputs } of runSequences(engine, items(), options.signal)) {
    const { id, answer, level } = item.example;
    const logits = Float32Array.from(outputs, (output) => finiteOutput(output, head, "logits")[0]!);
    const predicted = argmax(logits);
    rows.push({ id, probabilities: [...softmax(logits)], predicted });
    if (answer !== undefined) {
      loss += crossEntropy(logits, answer);
      for (const name of level === undefined ? ["eval"] : ["eval", level]) {
        const tally = levels.get(name) ?? { right: 0, count: 0 };
        tally.right += predicted === answer ? 1 : 0;
        tally.count += 1;
        levels.set(name, tally);
      }
    }
    options.onProgress?.(rows.length);
  }
  const metrics: Record<string, number> = {};
  for (const [name, { right, count }] of levels) metrics[`${name}_accuracy`] = right / count;
  const judged = levels.get("eval")?.count ?? 0;
  if (judged > 0) metrics["eval_loss"] = loss / judged;
  return { metrics, predictions: { kind: "choices", rows }, examples: rows.length, tokens };
}
