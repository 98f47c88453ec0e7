import type { EvaluationReport } from "../../../report/evaluation-report.ts";
import { figureName, figureText, percentText } from "../../../report/render/number-text.ts";
import { wilsonInterval } from "../../../report/resampling/wilson-interval.ts";

/** What a report's first figure means, in sentences: how good it is, and whether it is better than saying the same of every row. */
export function againstGuessing({ figures, classes, kind, data }: EvaluationReport): string[] {
  const first = figures.find(({ name }) => name === "eval_accuracy") ?? figures[0];
  if (first === undefined) return ["Nothing could be measured."];
  const { name, value } = first;
  const rows = `${data.judged} rows that it was not taught`;
  if (name !== "eval_accuracy") {
    const { low, high } = first;
    return [
      `${figureName(name)} ${figureText(name, value)} on ${rows}; likely ${figureText(name, low)} to ${figureText(name, high)}.`,
    ];
  }
  // Where every answer is right, so is every one that is drawn of them again: a resampled interval would have no width.
  const [low, high] = wilsonInterval(value, data.judged);
  const said = `Right in ${percentText(value)} of ${rows}; of others like them likely in ${percentText(low)} to ${percentText(high)}.`;
  if (kind !== "single-label" || classes === undefined || classes.length === 0) return [said];
  const common = classes.reduce((best, one) => (one.support > best.support ? one : best));
  const guess = common.support / classes.reduce((sum, { support }) => sum + support, 0);
  const always = `Saying "${common.label}" of every row would be right in ${percentText(guess)}`;
  if (low > guess) return [said, `${always}: it has learnt to tell them apart.`];
  if (value > guess) return [said, `${always}: whether it has learnt more than that, so few rows do not show.`];
  return [said, `${always}: it is no better than guessing. Teach it longer or from more rows, or look at the labels.`];
}
