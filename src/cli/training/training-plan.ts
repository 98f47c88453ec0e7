import type { TrainingPlan } from "../../training/plan.ts";
import { durationText } from "./training-progress.ts";

/** A plan as a person reads it. */
export function printPlan(plan: TrainingPlan): string {
  const number = (value: number) => Math.round(value).toLocaleString("en-US");
  const rows: [string, string][] = [
    ["examples", number(plan.examples)],
    ["steps", `${number(plan.steps)}  (${plan.epochs.toFixed(2)} epochs)`],
    ["tokens", `${number(plan.tokens)}  (${(plan.paddingShare * 100).toFixed(1)} % padding on top)`],
    ["shapes", plan.buckets.map(({ rows: count, sequenceLength }) => `${count}x${sequenceLength}`).join(" ")],
    ["parameters", number(plan.parameters)],
    ["disk", megabytes(plan.diskBytes)],
  ];
  const labels = labelsText(plan.labels);
  if (labels !== "") rows.splice(1, 0, ["labels", labels]);
  if (plan.runs !== undefined) rows.unshift(["runs", `${plan.runs}, one after the other`]);
  if (plan.peakMemoryBytes !== undefined) rows.push(["memory", `${megabytes(plan.peakMemoryBytes)}, measured`]);
  if (plan.etaSeconds !== undefined) {
    const [low, high] = plan.etaSeconds.map(durationText);
    rows.push(["time", `${low === high ? low : `${low} to ${high}`}, measured over a few steps, without evaluation`]);
  }
  const settings = plan.settings.map(({ name, value, origin }) => [name, value, origin] as const);
  const nameWidth = Math.max(...settings.map(([name]) => name.length));
  const valueWidth = Math.max(...settings.map(([, value]) => value.length));
  return [
    ...rows.map(([name, value]) => `${name.padEnd(nameWidth)}  ${value}`),
    "",
    ...settings.map(([name, value, origin]) => `${name.padEnd(nameWidth)}  ${value.padEnd(valueWidth)}  ${origin}`),
    ...(plan.warnings.length > 0 ? ["", ...plan.warnings.map((warning) => `warning: ${warning}`)] : []),
    "",
  ].join("\n");
}

/** Labels of which the plan names the rows; of more only the most frequent. */
const LABELS_SHOWN = 20;

/** The most frequent labels first: `good 310, bad 290`. */
function labelsText(labels: TrainingPlan["labels"]): string {
  const sorted = Object.entries(labels).sort(([, a], [, b]) => b - a);
  const shown = sorted.slice(0, LABELS_SHOWN).map(([label, count]) => `${label} ${count}`);
  const others = sorted.length - shown.length;
  return [...shown, ...(others > 0 ? [`and ${others} more`] : [])].join(", ");
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
