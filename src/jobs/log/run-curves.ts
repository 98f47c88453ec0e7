import type { JobEvent } from "../job-event.ts";

// The curves of a job out of its log: what its run told of loss, learning rate and metrics at each step.

/** One number that a run told at one step. */
export interface CurvePoint {
  readonly curve: string;
  /** Optimizer steps taken. */
  readonly step: number;
  readonly value: number;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
}

/** Numbers of a `step_metrics` event by the names that the files of `albert train` give them. */
const STEP_CURVES: Readonly<Record<string, string>> = {
  loss: "loss",
  learningRate: "learning_rate",
  gradNorm: "gradient_norm",
  tokensPerSecond: "tokens_per_second",
  paddingShare: "padding_share",
};

/** Which of several runs of one job is at work. */
export interface RunPart {
  /** Empty where there is but one. */
  readonly name: string;
  /** Steps of the runs before it, which the job's log counts together with its own. */
  readonly stepsBefore: number;
}

/** The only run of a job. */
export const WHOLE_RUN: RunPart = { name: "", stepsBefore: 0 };

/** The run that is at work after some entries of a job's log. */
export function partAfter(events: readonly JobEvent[], before: RunPart): RunPart {
  const begun = events.findLast(({ kind }) => kind === "repeat_begun");
  if (begun === undefined) return before;
  // Logs of earlier releases do not tell the steps.
  return { name: String(begun.detail?.["name"] ?? ""), stepsBefore: Number(begun.detail?.["stepsBefore"] ?? 0) };
}

/** The points that one event of a job's log adds to its curves; those of a run among several bear its name, and count its own steps. */
export function pointsOf(
  { kind, timeMs, detail = {} }: JobEvent,
  { name: run, stepsBefore } = WHOLE_RUN,
): CurvePoint[] {
  const step = Number(detail["step"]) - stepsBefore;
  const point = (name: string, value: unknown): CurvePoint[] =>
    typeof value === "number" ? [{ curve: run === "" ? name : `${run}/${name}`, step, value, timeMs }] : [];
  if (kind === "step_metrics") {
    return Object.entries(STEP_CURVES).flatMap(([field, name]) => point(name, detail[field]));
  }
  if (kind === "eval_result") {
    return Object.entries((detail["metrics"] ?? {}) as object).flatMap(([name, value]) => point(name, value));
  }
  return [];
}

/**
 * The points of a job, in the order of its log. Where a run went back to an earlier step, what it told there before is left out: it
 * tells those steps once more.
 */
export function runCurves(events: Iterable<JobEvent>): CurvePoint[] {
  let part = WHOLE_RUN;
  const kept = new Map<string, CurvePoint[]>();
  const order: CurvePoint[] = [];
  for (const event of events) {
    part = partAfter([event], part);
    for (const point of pointsOf(event, part)) {
      const curve = kept.get(point.curve) ?? [];
      kept.set(point.curve, curve);
      while (curve.length > 0 && curve.at(-1)!.step >= point.step) curve.pop();
      curve.push(point);
      order.push(point);
    }
  }
  const valid = new Set([...kept.values()].flat());
  return order.filter((point) => valid.has(point));
}
