import { invalidInput } from "../../errors.ts";
import type { StepData, StepSource } from "./step-data.ts";
import type { Batch, Executor, StepOptions, StepResult } from "./training-step.ts";

// Groups steps that one run of a graph can take together.

/** Which steps may be taken together. */
export interface GroupBounds {
  readonly first: number;
  readonly attempt: number;
  /** The group ends before this step: the run's last, or one that a checkpoint or an evaluation precedes. */
  readonly end: number;
  /** Asked before each further step of the group. */
  readonly goesOn: (step: number) => Promise<boolean>;
}

/** Neighbouring steps. */
export interface StepGroup {
  readonly data: readonly StepData[];
  /** Whether one run of a graph takes them all. */
  readonly together: boolean;
}

/**
 * Divides a run into groups of steps that one run of a graph can take: of one micro-batch each and all of one shape. A group that
 * ends early is taken step by step, so that there is one graph more for each shape and not one for each number of steps.
 */
export class StepGroups {
  readonly #source: StepSource;
  readonly #size: number;
  /** The first step behind the last group, where it was read to find that group's end. */
  #ahead: { readonly step: number; readonly attempt: number; readonly data: StepData } | undefined;

  /** @param size  steps of a full group (`iterations_per_loop`) */
  constructor(source: StepSource, size: number) {
    this.#source = source;
    this.#size = size;
  }

  async next({ first, attempt, end, goesOn }: GroupBounds): Promise<StepGroup> {
    const data = [await this.#read(first, attempt)];
    const shape = shapeOf(data[0]!);
    const most = shape === undefined ? 1 : Math.min(this.#size, end - first);
    while (data.length < most) {
      const step = first + data.length;
      if (!(await goesOn(step))) break;
      const next = await this.#read(step, attempt);
      if (shapeOf(next) !== shape) {
        this.#ahead = { step, attempt, data: next };
        break;
      }
      data.push(next);
    }
    return { data, together: data.length > 1 && data.length === this.#size };
  }

  async #read(step: number, attempt: number): Promise<StepData> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    return ahead?.step === step && ahead.attempt === attempt ? ahead.data : this.#source.step(step, attempt);
  }
}

/**
 * Takes the steps of a group.
 *
 * @throws AlbertError invalid-input where the executor has no way to take several together
 */
export async function takeSteps(
  executor: Executor,
  { data, together }: StepGroup,
  options: readonly StepOptions[],
): Promise<readonly StepResult[]> {
  if (!together) {
    const results: StepResult[] = [];
    for (const [i, { microBatches }] of data.entries()) results.push(await executor.step(microBatches, options[i]!));
    return results;
  }
  if (executor.steps === undefined) {
    const description = "this executor takes one step at a time";
    throw invalidInput([{ field: "iterations_per_loop", description }]);
  }
  return executor.steps(
    data.map(({ microBatches }) => microBatches[0]!),
    options,
  );
}

/** The shapes of a step of one micro-batch; steps of several cannot be taken together. */
function shapeOf({ microBatches }: StepData): string | undefined {
  const [batch, ...more] = microBatches;
  return batch === undefined || more.length > 0 ? undefined : signatureOf(batch);
}

function signatureOf(batch: Batch): string {
  return Object.entries(batch)
    .map(([name, { shape }]) => `${name} ${shape}`)
    .join();
}
