import { openExecutor } from "../../training/executors/open-executor.ts";
import type { RunOptions } from "../../training/fine-tune.ts";
import type { TrainingOutcome } from "../../training/loop.ts";
import { ResultFiles } from "../../training/result-files.ts";
import { stopOnInterrupt } from "../interrupt.ts";
import type { TrainingProgressBar } from "./training-progress.ts";

// What `albert train` and `albert pretrain` share: a run in this process, its progress on the terminal, and its end on
// an interrupt.

/** Steps between lines of progress. */
const LOG_EVERY = 10;

export interface FollowedRun {
  /** Directory of the run's files. */
  readonly work: string;
  /** Name of the metric that chooses the best checkpoint. */
  readonly metric: string;
  readonly resume: boolean;
  readonly bar: TrainingProgressBar;
}

/**
 * Runs training in this process: events go to the bar and to the run's files, and an interrupt ends it with a checkpoint and
 * exit status 130.
 *
 * @param train  starts the run with these options
 * @returns undefined where it was interrupted
 */
export async function followRun<Outcome extends TrainingOutcome>(
  { work, metric, resume, bar }: FollowedRun,
  train: (options: Omit<RunOptions, "openEvaluator">) => Promise<Outcome>,
): Promise<Outcome | undefined> {
  const files = await ResultFiles.open(work, metric);
  const interruption = stopOnInterrupt((text) => bar.say(text));
  try {
    const outcome = await train({
      openExecutor,
      resume,
      onEvent: (event) => {
        files.add(event);
        bar.show(event);
      },
      clock: () => performance.now(),
      signal: interruption.signal,
      logEvery: LOG_EVERY,
    });
    bar.close();
    if (outcome.stoppedBy !== "aborted") return outcome;
    process.stderr.write(`stopped at step ${outcome.progress.step}; continue with --resume\n`);
    process.exitCode = 130;
    return undefined;
  } finally {
    interruption.release();
    await files.close();
  }
}
