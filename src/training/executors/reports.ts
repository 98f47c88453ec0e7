import type { StepResult } from "../step/training-step.ts";

// Takes losses and norms out of what a step graph returns.

/** What a run reports, by output name: one value per step. */
export type Reports = ReadonlyMap<string, Float32Array>;

/** The values of one step. */
export function valuesAt(reports: Reports, index: number): Map<string, number> {
  return new Map([...reports].map(([name, values]) => [name, values[index]!]));
}

/** Adds up the micro-batches' shares: they were scaled for it. */
export function summed(outputs: readonly ReadonlyMap<string, number>[]): StepResult {
  const totals = new Map<string, number>();
  for (const output of outputs) {
    for (const [name, value] of output) totals.set(name, (totals.get(name) ?? 0) + value);
  }
  const metrics = [...totals].flatMap(([name, value]) =>
    name.startsWith("metric/") ? [[name.slice("metric/".length), value] as const] : [],
  );
  return { loss: totals.get("loss")!, gradNorm: totals.get("grad_norm")!, metrics: Object.fromEntries(metrics) };
}
