import { useEffect, useRef, useState } from "preact/hooks";
import { type Job, type JobEvent, JobState, JobStateSchema } from "../../gen/albert/v1/training_pb.js";
import { explain, training } from "../api.ts";
import { Curve, type CurvePoint } from "../parts/curve.tsx";
import { enumName } from "../parts/enum-name.ts";
import { Problems } from "../parts/problems.tsx";
import { useCall } from "../parts/use-call.ts";

interface Curves {
  readonly loss: readonly CurvePoint[];
  readonly learningRate: readonly CurvePoint[];
  readonly metric: readonly CurvePoint[];
  readonly metricName: string;
}

const NO_CURVES: Curves = { loss: [], learningRate: [], metric: [], metricName: "metric" };
const RECONNECT_MS = 1_000;

/** One job, followed live: state, curves, time left, and its log. */
export function JobDetail({ jobId, onChanged }: { readonly jobId: string; readonly onChanged: () => void }) {
  const [job, setJob] = useState<Job | undefined>(undefined);
  const [events, setEvents] = useState<readonly JobEvent[]>([]);
  const [curves, setCurves] = useState<Curves>(NO_CURVES);
  const [problems, setProblems] = useState<readonly string[]>([]);
  const [cancelCall, cancel] = useCall((signal) => training.cancelJob({ jobId }, { signal }));
  const changed = useRef(onChanged);
  changed.current = onChanged;

  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
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
            if (event.progress !== undefined) setCurves((before) => withProgress(before, event));
            if (event.kind !== "step_metrics") setEvents((before) => [...before.slice(-199), event]);
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

  if (job === undefined) return <Problems problems={problems} />;
  const progress = job.progress;
  const total = progress?.totalSteps ?? 0;
  return (
    <section aria-label={`Job ${job.id}`}>
      <h2>
        Job <code>{job.id}</code>
      </h2>
      <p role="status">
        <span class={`state ${stateTone(job.state)}`}>{enumName(JobStateSchema, job.state)}</span> {job.activity}
        {job.modelVersion === "" ? "" : ` · published ${job.modelVersion}`}
        {progress !== undefined && progress.etaSeconds > 0 && !job.terminal
          ? ` · about ${Math.ceil(progress.etaSeconds)} s left`
          : ""}
        {progress !== undefined && progress.tokensPerSecond > 0
          ? ` · ${Math.round(progress.tokensPerSecond)} tokens/s`
          : ""}
      </p>
      {total > 0 && (
        <progress aria-label={`Step ${progress?.step ?? 0} of ${total}`} value={progress?.step ?? 0} max={total} />
      )}
      <Problems problems={problems} />
      {cancelCall.state === "failed" && <Problems problems={cancelCall.problems} />}
      <div class="curves">
        <Curve title="Loss" points={curves.loss} />
        <Curve title="Learning rate" points={curves.learningRate} digits={6} />
        <Curve title={curves.metricName} points={curves.metric} />
      </div>
      {!job.terminal && (
        <button type="button" class="quiet" disabled={cancelCall.state === "running"} onClick={() => void cancel()}>
          Cancel job
        </button>
      )}
      <details open>
        <summary>Events</summary>
        <ol reversed>
          {[...events].reverse().map((event) => (
            <li key={event.sequence} value={event.sequence}>
              <b>{event.kind}</b> {event.summary}
            </li>
          ))}
        </ol>
      </details>
    </section>
  );
}

function withProgress(curves: Curves, event: JobEvent): Curves {
  const progress = event.progress;
  if (progress === undefined) return curves;
  if (event.kind === "eval_result") {
    const name = progress.bestMetric || Object.keys(progress.metrics)[0];
    const value = name === undefined ? undefined : progress.metrics[name];
    return name === undefined || value === undefined
      ? curves
      : { ...curves, metricName: name, metric: [...curves.metric, { step: progress.step, value }] };
  }
  if (event.kind !== "step_metrics") return curves;
  return {
    ...curves,
    loss: [...curves.loss, { step: progress.step, value: progress.loss }],
    learningRate: [...curves.learningRate, { step: progress.step, value: progress.learningRate }],
  };
}

function stateTone(state: JobState): string {
  if (state === JobState.SUCCEEDED) return "good";
  return state === JobState.FAILED || state === JobState.REJECTED ? "bad" : "";
}
