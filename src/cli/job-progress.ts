import { toJson } from "@bufbuild/protobuf";
import { SingleBar } from "cli-progress";
import type { AdminClient } from "../client/admin-client.ts";
import { type JobEvent, JobEventSchema, JobState, type Progress } from "../gen/albert/v1/training_pb.js";
import { durationText } from "./training-progress.ts";

/**
 * Follows a job to its end: a bar with loss, metric, speed and time left on a terminal, a line per event elsewhere, one JSON
 * object per line when asked. Sets the exit status to 1 when the job did not succeed. Interrupting it leaves the job alone.
 */
export async function watchJob(
  { training }: AdminClient,
  jobId: string,
  { json, after = 0 }: { readonly json?: true; readonly after?: number },
): Promise<void> {
  const view = json ? undefined : new JobProgressBar(process.stderr);
  let state: JobState | undefined;
  try {
    for await (const { update } of training.watchJob({ jobId, afterSequence: after })) {
      if (update.case !== "event") continue;
      const event = update.value;
      state = event.transition?.to ?? state;
      if (view !== undefined) view.show(event);
      else process.stdout.write(`${JSON.stringify(toJson(JobEventSchema, event, { useProtoFieldName: true }))}\n`);
    }
  } finally {
    view?.close();
  }
  if (state !== undefined && state !== JobState.SUCCEEDED) process.exitCode = 1;
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
    else if (this.#bar === undefined) this.#stream.write(`${kind}: ${summary}\n`);
    else {
      this.#stream.write(`\r\u001b[K${kind}: ${summary}\n`);
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
