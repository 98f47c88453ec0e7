import type { PrecisionLoss } from "../../../gen/albert/v1/inference_pb.js";

/** What fewer bits change, in one line. */
export function lossText({ of, format, task, examples, changedAnswers, before, after }: PrecisionLoss): string {
  const metrics = Object.entries(before).map(
    ([name, value]) => `${name} ${value.toFixed(4)} → ${after[name]?.toFixed(4)}`,
  );
  return `${format} ${of}: ${changedAnswers} of ${examples} answers change (${task}), ${metrics.join(", ")}`;
}
