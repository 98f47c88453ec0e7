import type { Job, JobEvent } from "../../../gen/albert/v1/training_pb.js";
import { training } from "../../api.ts";
import { RunLines } from "../../parts/charts/run-lines.ts";

// A run out of its job's log: curves by name, and the settings that applied.

/** What is compared of a run. */
export interface Run {
  readonly job: Job;
  readonly curves: RunLines;
  readonly settings: ReadonlyMap<string, string>;
}

/** Reads a job's log as far as it has come; one that runs is not waited for. */
export async function readRun(job: Job, signal: AbortSignal): Promise<Run> {
  const curves = new RunLines();
  const settings = new Map(settingsOfSpec(job));
  if (job.lastSequence === 0) return { job, curves, settings };
  const reading = new AbortController();
  const ended = AbortSignal.any([signal, reading.signal]);
  try {
    for await (const { update } of training.watchJob({ jobId: job.id }, { signal: ended })) {
      if (update.case !== "event") break;
      const event = update.value;
      curves.add(event);
      if (event.kind === "planned") {
        for (const [name, value] of plannedSettings(event)) settings.set(name, value);
      }
      if (event.sequence >= job.lastSequence) break;
    }
  } finally {
    reading.abort();
  }
  return { job, curves, settings };
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
