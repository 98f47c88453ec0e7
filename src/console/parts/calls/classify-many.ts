import type { ClassifyResponse } from "../../../gen/albert/v1/inference_pb.js";
import { inference } from "../../api.ts";

// Many texts by one model, in batches.

const BATCH = 16;

/** What a model says of one text: its labels, best first, or why it could not answer. */
export type ManyAnswer =
  | { readonly text: string; readonly reply: ClassifyResponse }
  | { readonly text: string; readonly problem: string };

/**
 * Classifies texts one batch after the other. A text that fails fails alone.
 *
 * @param model       "name", or "name@7" for one version of it
 * @param onProgress  called with the number of texts that are answered
 */
export async function classifyMany(
  model: string,
  texts: readonly string[],
  signal: AbortSignal,
  onProgress: (done: number) => void,
): Promise<ManyAnswer[]> {
  const [name = "", version] = model.split("@");
  const options =
    version === undefined ? { model: name } : { model: name, pin: { case: "version" as const, value: version } };
  const answers: ManyAnswer[] = [];
  for (let from = 0; from < texts.length; from += BATCH) {
    const part = texts.slice(from, from + BATCH);
    const items = part.map((text) => ({ request: { case: "classify" as const, value: { options, text } } }));
    const { results } = await inference.batchInfer({ items }, { signal, timeoutMs: 120_000 });
    for (const [i, { outcome }] of results.entries()) {
      const text = part[i] ?? "";
      if (outcome.case === "classify") answers.push({ text, reply: outcome.value });
      else answers.push({ text, problem: outcome.case === "error" ? outcome.value.message : "no answer" });
    }
    onProgress(answers.length);
  }
  return answers;
}

/** The answer in a word, and how sure it is; a value for models of values. */
export function shortAnswer(answer: ManyAnswer): { readonly label: string; readonly sure: string } {
  if ("problem" in answer) return { label: answer.problem, sure: "" };
  const { value, labels } = answer.reply;
  if (value !== undefined) return { label: value.toFixed(3), sure: "" };
  const best = labels[0];
  return best === undefined
    ? { label: "none", sure: "" }
    : { label: best.label, sure: `${(100 * best.score).toFixed(1)} %` };
}
