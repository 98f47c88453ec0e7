import type { Job, JobEvent } from "../../../gen/albert/v1/training_pb.js";
import { training } from "../../api.ts";

// A run out of its job's log: curves by name, and the settings that applied.

/** A number over the steps of a run. */
export interface RunCurve {
  readonly steps: readonly number[];
  readonly values: readonly number[];
}

/** What is compared of a run. */
export interface Run {
  readonly job: Job;
  readonly curves: ReadonlyMap<string, RunCurve>;
  readonly settings: ReadonlyMap<string, string>;
}

/** Reads a job's log as far as it has come; one that runs is not waited for. */
export async function readRun(job: Job, signal: AbortSignal): Promise<Run> {
  const points = new Map<string, { steps: number[]; values: number[] }>();
  const settings = new Map(settingsOfSpec(job));
  const add = (name: string, step: number, value: number) => {
    const curve = points.get(name) ?? { steps: [], values: [] };
    points.set(name, curve);
    // A run that went back to an earlier state tells its steps once more.
    while (curve.steps.length > 0 && curve.steps.at(-1)! >= step) {
      curve.steps.pop();
      curve.values.pop();
    }
    curve.steps.push(step);
    curve.values.push(value);
  };
  if (job.lastSequence === 0) return { job, curves: points, settings };
  const reading = new AbortController();
  const ended = AbortSignal.any([signal, reading.signal]);
  try {
    for await (const { update } of training.watchJob({ jobId: job.id }, { signal: ended })) {
      if (update.case !== "event") break;
      const event = update.value;
      const { progress } = event;
      if (event.kind === "step_metrics" && progress !== undefined) {
        add("loss", progress.step, progress.loss);
        add("learning rate", progress.step, progress.learningRate);
      } else if (event.kind === "eval_result" && progress !== undefined) {
        for (const [name, value] of Object.entries(progress.metrics)) add(name, progress.step, value);
      } else if (event.kind === "planned")
        for (const [name, value] of plannedSettings(event)) settings.set(name, value);
      if (event.sequence >= job.lastSequence) break;
    }
  } finally {
    reading.abort();
  }
  return { job, curves: points, settings };
}

function* settingsOfSpec({ spec }: Job): Generator<[string, string]> {
  if (spec === undefined) return;
  const { task, init, train, eval: evaluation, teacher, seed, recipe } = spec;
  const given = {
    task,
    init,
    train: train?.path || train?.dataset.slice(0, 12),
    eval: evaluation?.path || evaluation?.dataset.slice(0, 12),
    teacher,
    seed: String(seed),
    ...recipe,
  };
  for (const [name, value] of Object.entries(given)) if (value !== undefined && value !== "") yield [name, value];
}

/** Every value that applied, not only those that were given. */
function plannedSettings({ detailJson }: JobEvent): [string, string][] {
  const { settings } = (detailJson === "" ? {} : JSON.parse(detailJson)) as {
    settings?: readonly { readonly name: string; readonly value: unknown }[];
  };
  return (settings ?? []).map(({ name, value }) => [name, String(value)]);
}
