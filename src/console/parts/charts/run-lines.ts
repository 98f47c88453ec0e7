import type { JobEvent } from "../../../gen/albert/v1/training_pb.js";

// Curves out of a job's log, a line for each of its runs: a job of several seeds or folds has several.

/** A number over the steps of one run. */
export interface RunLine {
  /** Such as "seed-3"; empty for the only run of a job. */
  readonly run: string;
  readonly steps: readonly number[];
  readonly values: readonly number[];
}

/** What a `repeat_begun` event tells: the run's name, and how many steps the runs before it have. */
interface Begun {
  readonly name: string;
  /** Not told by the logs of earlier releases. */
  readonly stepsBefore?: number;
}

/** Reads the events of one job in their order. */
export class RunLines {
  #run = "";
  /** Steps of the runs before this one, which the job counts together with its own. */
  #before = 0;
  readonly #lines = new Map<string, { readonly run: string; readonly steps: number[]; readonly values: number[] }[]>();

  /** The names of the curves that were told, in the order in which they came. */
  get names(): readonly string[] {
    return [...this.#lines.keys()];
  }

  /** The lines of one curve; a new array each time, so that who draws it sees that it is another. */
  of(name: string): readonly RunLine[] {
    return [...(this.#lines.get(name) ?? [])];
  }

  /** Takes what an event tells. @returns whether it told anything */
  add({ kind, progress, detailJson }: Pick<JobEvent, "kind" | "progress" | "detailJson">): boolean {
    if (kind === "repeat_begun") {
      const { name, stepsBefore = 0 } = JSON.parse(detailJson) as Begun;
      this.#run = name;
      this.#before = stepsBefore;
      return false;
    }
    if (progress === undefined) return false;
    const { loss, learningRate, metrics } = progress;
    const step = progress.step - this.#before;
    if (kind === "step_metrics") {
      this.#point("loss", step, loss);
      this.#point("learning rate", step, learningRate);
      return true;
    }
    if (kind !== "eval_result") return false;
    for (const [name, value] of Object.entries(metrics)) this.#point(name, step, value);
    return true;
  }

  #point(name: string, step: number, value: number): void {
    const lines = this.#lines.get(name) ?? [];
    this.#lines.set(name, lines);
    let line = lines.find(({ run }) => run === this.#run);
    if (line === undefined) {
      line = { run: this.#run, steps: [], values: [] };
      lines.push(line);
    }
    // A run that went back to an earlier state tells its steps once more.
    while (line.steps.length > 0 && line.steps.at(-1)! >= step) {
      line.steps.pop();
      line.values.pop();
    }
    line.steps.push(step);
    line.values.push(value);
  }
}
