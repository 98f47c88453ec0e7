import { setTimeout } from "node:timers/promises";
import { toJson } from "@bufbuild/protobuf";
import { SingleBar } from "cli-progress";
import type { AdminClient } from "../../client/admin-client.ts";
import { CallError } from "../../client/call-error.ts";
import { type JobEvent, JobEventSchema, JobState, type Progress } from "../../gen/albert/v1/training_pb.js";
import { durationText } from "../training/training-progress.ts";

export interface WatchJobFlags {
  readonly json?: true;
  /** Shows events after this number only. */
  readonly after?: number;
  /** Between two tries to reach a server that went away. */
  readonly retryMs?: number;
}

/** How long a server may be away, as for a restart, before watching its job is given up. */
const PATIENCE_MS = 120_000;

/**
 * Follows a job to its end: a bar with loss, metric, speed and time left on a terminal, a line per event elsewhere, one JSON
 * object per line when asked. Sets the exit status to 1 when the job did not succeed. Goes on where it was when the server
 * is restarted meanwhile. Interrupting it leaves the job alone.
 */
export async function watchJob(
  { training }: Pick<AdminClient, "training">,
  jobId: string,
  { json, after = 0, retryMs = 1000 }: WatchJobFlags,
): Promise<void> {
  const view = json ? undefined : new JobProgressBar(process.stderr);
  let sequence = after;
  let reachedMs = performance.now();
  try {
    for (;;) {
      try {
        for await (const { update } of training.watchJob({ jobId, afterSequence: sequence })) {
          reachedMs = performance.now();
          if (update.case !== "event") continue;
          sequence = update.value.sequence;
          if (view !== undefined) view.show(update.value);
          else process.stdout.write(`${eventJson(update.value)}\n`);
        }
        const { job } = await training.getJob({ jobId });
        if (job!.terminal && job!.lastSequence <= sequence) {
          if (job!.state !== JobState.SUCCEEDED) process.exitCode = 1;
          return;
        }
      } catch (error) {
        const away = error instanceof CallError && error.status === "UNAVAILABLE";
        if (!away || performance.now() - reachedMs > PATIENCE_MS) throw error;
      }
      view?.say("the server went away; trying to reach it again");
      await setTimeout(retryMs);
    }
  } finally {
    view?.close();
  }
}

function eventJson(event: JobEvent): string {
  return JSON.stringify(toJson(JobEventSchema, event, { useProtoFieldName: true }));
}

/** Shows a job's events as they come. */
class JobProgressBar {
  readonly #stream: NodeJS.WriteStream;
  #bar: SingleBar | undefined;
  #total = 0;
  #metric = "-";

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  show({ kind, summary, progress }: JobEvent): void {
    if (progress !== undefined) this.#remember(progress);
    if (kind === "step_metrics" && progress !== undefined && this.#stream.isTTY) this.#draw(progress);
    else this.say(`${kind}: ${summary}`);
  }

  /** A line above the bar. */
  say(text: string): void {
    if (this.#bar === undefined) this.#stream.write(`${text}\n`);
    else {
      this.#stream.write(`\r\u001b[K${text}\n`);
      this.#bar.render();
    }
  }

  close(): void {
    this.#bar?.stop();
  }

  #remember({ totalSteps, metrics, bestMetric, bestValue }: Progress): void {
    if (totalSteps > 0) this.#total = totalSteps;
    const [name, value] = bestMetric === "" ? (Object.entries(metrics)[0] ?? []) : [bestMetric, bestValue];
    if (name !== undefined && value !== undefined) this.#metric = `${name} ${Number(value.toFixed(4))}`;
  }

  #draw({ step, loss, tokensPerSecond, etaSeconds }: Progress): void {
    const fields = {
      loss: loss.toFixed(4),
      metric: this.#metric,
      tokens: Math.round(tokensPerSecond),
      left: durationText(etaSeconds),
    };
    if (this.#bar === undefined) {
      this.#bar = new SingleBar({
        format: "{bar} {value}/{total}  loss {loss}  {metric}  {tokens} tokens/s  {left} left",
        stream: this.#stream,
        hideCursor: true,
        barsize: 24,
      });
      this.#bar.start(this.#total, step, fields);
    } else this.#bar.update(step, fields);
  }
}
