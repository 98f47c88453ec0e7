import { setTimeout } from "node:timers/promises";
import { toJson } from "@bufbuild/protobuf";
import type { AdminClient } from "../../client/admin-client.ts";
import { CallError } from "../../client/call-error.ts";
import {
  type JobEvent,
  JobEventSchema,
  JobState,
  JobStateSchema,
  type Progress,
} from "../../gen/albert/v1/training_pb.js";
import { barText, StatusLine, sparkText, type TerminalStream } from "../status-line.ts";
import { durationText, LINE_SECONDS } from "../training/training-progress.ts";
import { enumWord } from "./admin-call.ts";

// Follows a job of a server and shows its events, on a terminal or as JSON lines.

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
 * Follows a job to its end: a line with loss, metric, speed and time left that is written over on a terminal, what happens
 * line by line elsewhere, one JSON object per event when asked. Sets the exit status to 1 when the job did not succeed. Goes on where it was when the server
 * is restarted meanwhile. Interrupting it leaves the job alone.
 */
export async function watchJob(
  { training }: Pick<AdminClient, "training">,
  jobId: string,
  { json, after = 0, retryMs = 1000 }: WatchJobFlags,
): Promise<void> {
  const view = json ? undefined : new JobProgress(process.stderr);
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
  return JSON.stringify(toJson(JobEventSchema, event, { alwaysEmitImplicit: true }));
}

const SPARK_CELLS = 12;
const KEPT_LOSSES = 600;

/** Events that only programs want. */
const PASSED_OVER: ReadonlySet<string> = new Set(["checkpoint_written", "checkpoint_pruned"]);

/** Shows a job's events as they come. */
export class JobProgress {
  readonly #line: StatusLine;
  #total = 0;
  #metric = "";
  #lastLine = Number.NEGATIVE_INFINITY;
  /** The losses of the last reports. */
  #losses: readonly number[] = [];

  constructor(stream: TerminalStream) {
    this.#line = new StatusLine(stream);
  }

  show(event: JobEvent): void {
    const { kind, progress } = event;
    if (progress !== undefined) this.#remember(progress);
    if (kind === "step_metrics" && progress !== undefined) this.#draw(progress);
    else if (!PASSED_OVER.has(kind)) for (const line of linesOf(event)) this.say(line);
  }

  /** A line above the status. */
  say(text: string): void {
    this.#line.say(text);
  }

  close(): void {
    this.#line.close();
  }

  #remember({ totalSteps, metrics, bestMetric, bestValue }: Progress): void {
    if (totalSteps > 0) this.#total = totalSteps;
    const [name, value] = bestMetric === "" ? (Object.entries(metrics)[0] ?? []) : [bestMetric, bestValue];
    if (name !== undefined && value !== undefined) this.#metric = `${name} ${Number(value.toFixed(4))}`;
  }

  #draw({ step, loss, tokensPerSecond, etaSeconds }: Progress): void {
    const count = `${step}/${this.#total}`;
    const lossText = `loss ${loss.toFixed(4)}`;
    this.#losses = [...this.#losses, loss].slice(-KEPT_LOSSES);
    const speed = `${Math.round(tokensPerSecond)} tokens/s`;
    const left = `${durationText(etaSeconds)} left`;
    if (this.#line.isLive) {
      this.#line.update([
        { text: barText(step, this.#total), rank: 5 },
        { text: count, rank: 0 },
        { text: lossText, rank: 1 },
        { text: sparkText(averaged(this.#losses)), rank: 6 },
        { text: this.#metric, rank: 3 },
        { text: speed, rank: 4 },
        { text: left, rank: 2 },
      ]);
      return;
    }
    const now = performance.now() / 1000;
    if (now - this.#lastLine < LINE_SECONDS && step < this.#total) return;
    this.#lastLine = now;
    this.say(`step ${[count, lossText, this.#metric, speed, left].filter((part) => part !== "").join("  ")}`);
  }
}

/** Means of neighbours, as many as a line has cells for: single losses jump. */
function averaged(losses: readonly number[]): number[] {
  const each = Math.max(1, Math.ceil(losses.length / SPARK_CELLS));
  return Array.from({ length: Math.ceil(losses.length / each) }, (_, i) => {
    const part = losses.slice(i * each, (i + 1) * each);
    return part.reduce((sum, loss) => sum + loss, 0) / part.length;
  });
}

/** An event as a person reads it: a state by its word, a judgement with its reasons, a problem with what to do. */
function linesOf({ kind, summary, transition, detailJson }: JobEvent): string[] {
  if (transition !== undefined) {
    const { to, reason, detail } = transition;
    return [[enumWord(JobStateSchema, to), reason, detail].filter((part) => part !== "").join("  ")];
  }
  const { hint, findings } = (detailJson === "" ? {} : JSON.parse(detailJson)) as {
    hint?: unknown;
    findings?: unknown;
  };
  const advice = kind === "validation_issue" && typeof hint === "string" && hint !== "" ? ` (${hint})` : "";
  const warning = kind === "warning" ? "warning: " : "";
  const reasons = Array.isArray(findings) ? findings.map((finding) => `  ${finding}`) : [];
  return [`${warning}${summary === "" ? kind.replaceAll("_", " ") : summary}${advice}`, ...reasons];
}
