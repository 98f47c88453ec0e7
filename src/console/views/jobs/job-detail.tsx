import { useEffect, useRef, useState } from "preact/hooks";
import { type Job, type JobEvent, JobKind, type JobOwner, JobStateSchema } from "../../../gen/albert/v1/training_pb.js";
import { explain, training } from "../../api.ts";
import { Problems } from "../../parts/calls/problems.tsx";
import { useCall } from "../../parts/calls/use-call.ts";
import { Curve } from "../../parts/charts/curve.tsx";
import { type RunLine, RunLines } from "../../parts/charts/run-lines.ts";
import { StateBadge } from "../../parts/state-badge.tsx";
import { durationText } from "../../parts/words/duration-text.ts";
import { enumName } from "../../parts/words/enum-name.ts";
import { jobTone } from "./job-tone.ts";
import { SweepTrials } from "./sweep-trials.tsx";

/** What is drawn of a job. */
interface Curves {
  readonly loss: readonly RunLine[];
  readonly learningRate: readonly RunLine[];
  readonly metric: readonly RunLine[];
  readonly metricName: string;
}

const NO_CURVES: Curves = { loss: [], learningRate: [], metric: [], metricName: "metric" };
const RECONNECT_MS = 1_000;

/** One job, followed live: state, curves, time left, and its log. */
export function JobDetail({
  jobId,
  onChanged,
  onOpen,
  showEvents = true,
}: {
  readonly jobId: string;
  readonly onChanged: () => void;
  /** Whether its log is open from the beginning. */
  readonly showEvents?: boolean;
  /** Shows another job. */
  readonly onOpen: (jobId: string) => void;
}) {
  const [job, setJob] = useState<Job | undefined>(undefined);
  const [events, setEvents] = useState<readonly JobEvent[]>([]);
  const [curves, setCurves] = useState<Curves>(NO_CURVES);
  const [problems, setProblems] = useState<readonly string[]>([]);
  const [cancelCall, cancel] = useCall((signal) => training.cancelJob({ jobId }, { signal }));
  const card = useRef<HTMLElement>(null);
  const changed = useRef(onChanged);
  changed.current = onChanged;

  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    const lines = new RunLines();
    const refresh = async () => {
      const reply = await training.getJob({ jobId }, { signal });
      setJob(reply.job);
      return reply.job;
    };
    /** Follows the event log; a broken stream continues after the last event seen. */
    const follow = async () => {
      let afterSequence = 0;
      for (let current = await refresh(); !signal.aborted; current = await refresh()) {
        try {
          for await (const { update } of training.watchJob({ jobId, afterSequence, heartbeatSeconds: 5 }, { signal })) {
            if (update.case !== "event") continue;
            afterSequence = update.value.sequence;
            const event = update.value;
            if (lines.add(event)) setCurves((before) => drawn(lines, event, before));
            if (event.kind !== "step_metrics") setEvents((before) => [...before.slice(-199), event]);
            // What happened before this page looked is in the job already.
            if (current !== undefined && event.sequence <= current.lastSequence) continue;
            if (event.transition !== undefined) {
              await refresh();
              changed.current();
            } else if (event.progress !== undefined) {
              const progress = event.progress;
              setJob((before) => (before === undefined ? before : { ...before, progress }));
            }
          }
          setProblems([]);
        } catch (error) {
          if (!signal.aborted) setProblems(explain(error));
        }
        if (current?.terminal === true) return;
        await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
      }
    };
    follow().catch((error: unknown) => {
      if (!signal.aborted) setProblems(explain(error));
    });
    return () => controller.abort();
  }, [jobId]);

  const shown = job !== undefined;
  useEffect(() => {
    if (shown) card.current?.scrollIntoView({ block: "nearest" });
  }, [shown]);
  if (job === undefined) {
    return problems.length > 0 ? (
      <Problems problems={problems} />
    ) : (
      <p class="card job-room muted">Reading the job …</p>
    );
  }
  const { step = 0, totalSteps = 0, etaSeconds = 0, tokensPerSecond = 0 } = job.progress ?? {};
  const unit = job.spec?.kind === JobKind.SWEEP ? "judgement" : "step";
  const trialOf = job.spec?.trial;
  const facts = [
    trialOf === undefined ? "" : `trial ${trialOf.number} of the sweep ${trialOf.sweepId}`,
    job.activity,
    totalSteps > 0 ? `${unit} ${step} of ${totalSteps}` : "",
    !job.terminal && etaSeconds > 0 ? `about ${durationText(etaSeconds)} left` : "",
    tokensPerSecond > 0 ? `${Math.round(tokensPerSecond).toLocaleString()} tokens/s` : "",
    job.modelVersion === "" ? "" : `published ${job.modelVersion}`,
    job.dataset === "" ? "" : `stored as dataset ${job.dataset.slice(0, 12)}`,
    job.stoppedBy === "" ? "" : `stopped by ${job.stoppedBy}`,
    job.owner === undefined ? "" : ownerText(job.owner),
  ].filter((fact) => fact !== "");
  return (
    <section class="card" aria-label={`Job ${job.id}`} ref={card}>
      <div class="card-head">
        <h2>
          Job <code>{job.id}</code>
        </h2>
        <p role="status">
          <StateBadge tone={jobTone(job.state)}>{enumName(JobStateSchema, job.state)}</StateBadge>{" "}
          <span class="muted">{facts.join(" · ")}</span>
        </p>
        {!job.terminal && (
          <button type="button" class="quiet" disabled={cancelCall.state === "running"} onClick={() => void cancel()}>
            Cancel job
          </button>
        )}
      </div>
      {(totalSteps > 0 || !job.terminal) && (
        <progress
          aria-label={totalSteps > 0 ? `Step ${step} of ${totalSteps}` : "Not begun"}
          value={step}
          max={Math.max(1, totalSteps)}
        />
      )}
      <Problems problems={problems} />
      {cancelCall.state === "failed" && <Problems problems={cancelCall.problems} />}
      {job.spec?.kind === JobKind.SWEEP ? (
        <SweepTrials jobId={jobId} onOpen={onOpen} />
      ) : (
        <div class="curves">
          <Curve title="Loss" lines={curves.loss} />
          <Curve title="Learning rate" lines={curves.learningRate} digits={6} />
          <Curve title={curves.metricName} lines={curves.metric} />
        </div>
      )}
      {/* Below the curves: while these are looked at, nothing may push them away. */}
      <Findings of={job} />
      <details open={showEvents}>
        <summary>Events</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
        <ol class="events" reversed tabIndex={0} aria-label="Events, newest first">
          {[...events].reverse().map((event) => (
            <li key={event.sequence} value={event.sequence}>
              <span class="muted">{event.sequence}</span> <b>{event.kind.replaceAll("_", " ")}</b>{" "}
              <span>{event.summary}</span>
            </li>
          ))}
        </ol>
      </details>
    </section>
  );
}

/** What a person should know of the result besides the curves, and why it was not promoted. */
function Findings({ of: { findings, notPromoted } }: { readonly of: Job }) {
  const said = [...(notPromoted === "" ? [] : [`Not promoted: ${notPromoted}`]), ...findings];
  const shown = said.filter((text, i) => !said.slice(0, i).some((before) => before.includes(text)));
  if (shown.length === 0) return null;
  return (
    <ul class="findings" aria-label="What to know of this result">
      {shown.map((finding) => (
        <li key={finding}>{finding}</li>
      ))}
    </ul>
  );
}

/** Which server works on it, under which claim, and when it last showed that it lives. */
function ownerText({ host, generation, silentSeconds }: JobOwner): string {
  const silent = silentSeconds === undefined ? "" : `, last sign of life ${durationText(silentSeconds)} ago`;
  return `on ${host} (claim ${generation}${silent})`;
}

function drawn(lines: RunLines, { kind, progress }: JobEvent, before: Curves): Curves {
  const told = kind === "eval_result" ? progress?.bestMetric || Object.keys(progress?.metrics ?? {})[0] : undefined;
  const metricName = told ?? before.metricName;
  return { loss: lines.of("loss"), learningRate: lines.of("learning rate"), metric: lines.of(metricName), metricName };
}
