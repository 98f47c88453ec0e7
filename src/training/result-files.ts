import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { makeDirectory } from "../platform/directories.ts";
import type { TrainingEvent } from "./events.ts";
import { TensorBoardWriter } from "./tensorboard.ts";

/**
 * Writes what a run reports to files next to its checkpoints: `events.jsonl` (every event), TensorBoard curves, and
 * `eval_results.txt` in the official form. Events are written in order and in the background; `close` waits for the last.
 */
export class ResultFiles {
  readonly #directory: string;
  readonly #tensorBoard: TensorBoardWriter;
  readonly #wallMs: () => number;
  /** "best" of the official file: the best value before the evaluation it stands under. */
  #best: number | undefined;
  readonly #metric: string;
  #written: Promise<void> = Promise.resolve();

  private constructor(directory: string, metric: string, tensorBoard: TensorBoardWriter, wallMs: () => number) {
    this.#directory = directory;
    this.#metric = metric;
    this.#tensorBoard = tensorBoard;
    this.#wallMs = wallMs;
  }

  /** @param metric  name of the metric that chooses the best checkpoint */
  static async open(directory: string, metric: string, wallMs: () => number = Date.now): Promise<ResultFiles> {
    await makeDirectory(directory);
    const tensorBoard = await TensorBoardWriter.open(join(directory, "tensorboard"), () => wallMs() / 1000);
    return new ResultFiles(directory, metric, tensorBoard, wallMs);
  }

  /** Queues one event. */
  add(event: TrainingEvent): void {
    this.#written = this.#written.then(() => this.#write(event));
    this.#written.catch(() => {}); // `close` reports it
  }

  /** @throws when anything could not be written */
  async close(): Promise<void> {
    try {
      await this.#written;
    } finally {
      await this.#tensorBoard.close();
    }
  }

  async #write(event: TrainingEvent): Promise<void> {
    const line = JSON.stringify({ time: new Date(this.#wallMs()).toISOString(), ...event });
    await appendFile(join(this.#directory, "events.jsonl"), `${line}\n`);
    if (event.kind === "step_metrics") {
      await this.#tensorBoard.scalars(event.step, {
        loss: event.loss,
        learning_rate: event.learningRate,
        gradient_norm: event.gradNorm,
        tokens_per_second: event.tokensPerSecond,
        padding_share: event.paddingShare,
      });
    } else if (event.kind === "eval_result") {
      await this.#tensorBoard.scalars(event.step, event.metrics);
      await appendFile(join(this.#directory, "eval_results.txt"), this.#officialBlock(event));
      const value = event.metrics[this.#metric];
      if (event.best && value !== undefined) this.#best = value;
    }
  }

  /** Metrics sorted by name, the best value so far, and a rule, as run_classifier writes them. */
  #officialBlock({ metrics, step }: Extract<TrainingEvent, { kind: "eval_result" }>): string {
    const rows = Object.entries({ ...metrics, global_step: step }).sort(([a], [b]) => (a < b ? -1 : 1));
    const lines = rows.map(([name, value]) => `${name} = ${value}`);
    return `${[...lines, `best = ${this.#best ?? -1}`, "=".repeat(50)].join("\n")}\n`;
  }
}
