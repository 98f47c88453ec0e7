import { join } from "node:path";
import { invariant } from "../../errors.ts";
import type { Repeats } from "../../model/directory/model-directory.ts";
import { replaceFile } from "../../platform/atomic-files.ts";
import { makeDirectory } from "../../platform/directories.ts";
import { goalOf } from "../evaluation/head-metrics.ts";
import type { TrainingEvent } from "../events.ts";
import { type FineTuneOutcome, type PreparedFineTune, type RunOptions, runFineTune } from "../fine-tune.ts";
import type { TrainingPlan } from "../plan.ts";
import { meanInterval } from "./mean-interval.ts";
import { outOfFoldRows } from "./out-of-fold.ts";
import type { Repeat } from "./repeats.ts";

// Runs a fine-tune once for each of its seeds or folds, says how far the figures lie apart, and chooses the result.

export interface RepeatedOutcome extends FineTuneOutcome {
  /** The run whose weights these are. It is closed but for the first run, which whoever prepared it closes. */
  readonly prepared: PreparedFineTune;
  /** Present where there were several runs. */
  readonly repeats?: Repeats;
}

export interface RepeatOptions extends RunOptions {
  /** Prepares a run after the first one. */
  readonly prepare: (repeat: Repeat) => Promise<PreparedFineTune>;
  /** Directory of all runs, where `repeats.json` and predictions of held-out folds are left. */
  readonly work: string;
}

/** The plan of all runs, by that of the first. */
export function repeatedPlan(plan: TrainingPlan, runs: number): TrainingPlan {
  if (runs === 1) return plan;
  const { etaSeconds } = plan;
  return {
    ...plan,
    runs,
    steps: runs * plan.steps,
    tokens: runs * plan.tokens,
    diskBytes: runs * plan.diskBytes,
    ...(etaSeconds === undefined ? {} : { etaSeconds: [runs * etaSeconds[0], runs * etaSeconds[1]] as const }),
  };
}

/**
 * Runs (or resumes) each repeat to its end, one after the other, and gives the outcome of the chosen one, with the mean of the
 * chosen metric and its interval among the metrics. Events count the steps of all runs. Bounds on steps and time are bounds of all
 * runs together; a run that they cut short counts only where it is the first.
 *
 * @param first  the first repeat, prepared
 */
export async function runRepeats(
  repeats: readonly Repeat[],
  first: PreparedFineTune,
  options: RepeatOptions,
): Promise<RepeatedOutcome> {
  const { prepare, work, ...rest } = options;
  if (repeats.length === 1) return { ...(await runFineTune(first, rest)), prepared: first };
  const { metric, publish, trainStep } = first.resolved.settings;
  const startedAt = options.clock();
  const finished: { readonly repeat: Repeat; readonly metrics: FineTuneOutcome["metrics"] }[] = [];
  const rows: string[] = [];
  for (const [index, repeat] of repeats.entries()) {
    const before = index * trainStep;
    const bounds = remaining(options, before, options.clock() - startedAt);
    if (bounds.spent && finished.length > 0) break;
    options.onEvent({ kind: "repeat_begun", name: repeat.name, index, count: repeats.length, stepsBefore: before });
    const prepared = index === 0 ? first : await prepare(atRateOf(first, repeat));
    try {
      const outcome = await runFineTune(prepared, {
        ...rest,
        ...bounds.limits,
        ...counted(options, before, repeats.length),
      });
      if (outcome.stoppedBy === "aborted") return { ...outcome, prepared };
      const cut = outcome.stoppedBy === "deadline" || outcome.stoppedBy === "max-steps";
      if (cut && finished.length > 0) break;
      finished.push({ repeat, metrics: outcome.metrics });
      if (repeat.spec.data.fold !== undefined) {
        rows.push(...(await outOfFoldRows(repeat.spec.data.fold, prepared, outcome)));
      }
      if (cut) break;
    } finally {
      if (index > 0) await prepared.close();
    }
  }
  const report = reportOf(finished, metric, publish);
  await makeDirectory(work);
  await replaceFile(join(work, "repeats.json"), `${JSON.stringify(report, null, 2)}\n`);
  const files = rows.length === 0 ? [] : [join(work, "out_of_fold.jsonl")];
  for (const file of files) await replaceFile(file, rows.map((row) => `${row}\n`).join(""));
  options.onEvent({ kind: "repeats_done", message: sentence(report), report });
  const chosen = repeats.find(({ name }) => name === report.published)!;
  const prepared = chosen === repeats[0] ? first : await prepare(atRateOf(first, chosen));
  try {
    // Its last checkpoint is there: no step is taken again.
    const outcome = await runFineTune(prepared, { ...rest, resume: true, maxSteps: trainStep, onEvent: () => {} });
    return {
      ...outcome,
      prepared,
      repeats: report,
      metrics: { ...outcome.metrics, ...spread(report) },
      predictionFiles: [...outcome.predictionFiles, ...files],
    };
  } finally {
    if (prepared !== first) await prepared.close();
  }
}

/** A repeat at the rate that a range test found for the first: runs differ in their seed or data alone. */
function atRateOf({ resolved }: PreparedFineTune, { name, spec }: Repeat): Repeat {
  if (resolved.fitting.source !== "test") return { name, spec };
  return { name, spec: { ...spec, given: { ...spec.given, learningRate: resolved.settings.learningRate } } };
}

/** What is left of the bounds of all runs. */
function remaining({ maxSteps, timeLimitMs }: RunOptions, steps: number, elapsedMs: number) {
  const [left, time] = [maxSteps === undefined ? undefined : maxSteps - steps, timeLimitMs && timeLimitMs - elapsedMs];
  return {
    spent: (left !== undefined && left <= 0) || (time !== undefined && time <= 0),
    limits: { ...(left === undefined ? {} : { maxSteps: left }), ...(time === undefined ? {} : { timeLimitMs: time }) },
  };
}

/** Hooks of a run whose steps count on from those of the runs before it. */
function counted(
  { onEvent, beforeStep }: RunOptions,
  before: number,
  runs: number,
): Pick<RunOptions, "onEvent" | "beforeStep"> {
  return {
    onEvent: (event) => onEvent(shifted(event, before, runs)),
    ...(beforeStep === undefined ? {} : { beforeStep: (step: number) => beforeStep(before + step) }),
  };
}

function shifted(event: TrainingEvent, by: number, runs: number): TrainingEvent {
  if (event.kind === "started") {
    const { firstStep, totalSteps } = event;
    return { ...event, firstStep: firstStep + by, totalSteps: Math.max(by + totalSteps, runs * totalSteps) };
  }
  if (event.kind === "rolled_back") return { ...event, fromStep: event.fromStep + by, toStep: event.toStep + by };
  return "step" in event ? { ...event, step: event.step + by } : event;
}

function reportOf(
  finished: readonly { readonly repeat: Repeat; readonly metrics: Readonly<Record<string, number>> }[],
  metric: string,
  publish: "best" | "median",
): Repeats {
  const [first, ...others] = finished;
  invariant(first !== undefined, "one run at least came to its end");
  const names = Object.keys(first.metrics).filter((name) => others.every(({ metrics }) => metrics[name] !== undefined));
  const summary =
    others.length === 0
      ? []
      : names.map((name) => [name, meanInterval(finished.map(({ metrics }) => metrics[name]!))] as const);
  const sign = goalOf(metric) === "highest" ? -1 : 1;
  const ranked = [...finished].sort(
    (a, b) => sign * ((a.metrics[metric] ?? Number.NaN) - (b.metrics[metric] ?? Number.NaN)),
  );
  const chosen = ranked[publish === "best" ? 0 : Math.floor((ranked.length - 1) / 2)]!;
  return {
    metric,
    runs: finished.map(({ repeat: { name }, metrics }) => ({ name, metrics })),
    summary: Object.fromEntries(summary),
    published: chosen.repeat.name,
    publishedAs: publish,
  };
}

/** Mean and interval of the chosen metric as metrics of their own. */
function spread({ metric, summary }: Repeats): Record<string, number> {
  const found = summary[metric];
  if (found === undefined) return {};
  return { [`${metric}_mean`]: found.mean, [`${metric}_low`]: found.low, [`${metric}_high`]: found.high };
}

function sentence({ metric, runs, summary, published, publishedAs }: Repeats): string {
  const found = summary[metric];
  const figures = found && [found.mean, found.low, found.high].map((value) => Number(value.toFixed(4)));
  const mean =
    figures === undefined ? "" : `: ${metric} ${figures[0]} on average (95 % interval ${figures[1]} to ${figures[2]})`;
  return `${runs.length} runs${mean}; ${published} is the ${publishedAs} and kept`;
}
