import type { AppliedSetting } from "../training/plan.ts";
import type { JobPlan } from "./job-service.ts";
import type { WorkControl } from "./runner/job-control.ts";

export const NOTHING_PLANNED: JobPlan = {
  problems: [],
  steps: 0,
  tokens: 0,
  paddingShare: 0,
  peakMemoryBytes: 0,
  diskBytes: 0,
  etaSeconds: 0,
  settings: [],
};

/** Control of work that is only tried: nobody hears of its progress, and nothing stops it. */
export const QUIETLY: WorkControl = {
  hooks: { async startChosen() {}, phase() {}, activity() {}, planned() {}, event() {}, yielded() {} },
  signal: new AbortController().signal,
  beforeStep() {},
};

/** A setting with where it comes from. @param given  names in the job's recipe */
export function setting(name: string, value: unknown, given: readonly string[]): AppliedSetting {
  return { name, value: String(value), origin: given.includes(name) ? "given" : "default" };
}
