import { useState } from "preact/hooks";
import { type Job, JobKind, PromotePolicy, type ValidateDatasetResponse } from "../../gen/albert/v1/training_pb.js";
import { datasets, training } from "../api.ts";
import { Problems } from "../parts/problems.tsx";
import { useCall } from "../parts/use-call.ts";
import { uploadDataset } from "../upload.ts";

const TASKS = [
  "classification",
  "qa",
  "multiple-choice",
  "sst-2",
  "cola",
  "mrpc",
  "rte",
  "sts-b",
  "squad-v1",
  "squad-v2",
  "race",
] as const;

interface Fields {
  readonly model: string;
  readonly task: string;
  readonly steps: string;
  readonly learningRate: string;
  readonly promote: boolean;
}

/** Uploads a file, shows what is wrong with its rows by line, and queues a fine-tune of it. */
export function NewJobForm({ onCreated }: { readonly onCreated: (job: Job) => void }) {
  const [fields, setFields] = useState<Fields>({
    model: "sentiment",
    task: "classification",
    steps: "",
    learningRate: "",
    promote: true,
  });
  const [file, setFile] = useState<File | undefined>(undefined);
  const [sent, setSent] = useState(0);
  const [report, setReport] = useState<ValidateDatasetResponse | undefined>(undefined);
  const set = (change: Partial<Fields>) => setFields({ ...fields, ...change });
  const [call, create] = useCall(async (signal, chosen: File) => {
    setReport(undefined);
    setSent(0);
    const dataset = await uploadDataset(chosen, signal, setSent);
    const validation = await datasets.validateDataset(
      { source: { dataset }, task: fields.task, model: fields.model },
      { signal },
    );
    setReport(validation);
    if (!validation.usable) return undefined;
    const recipe: Record<string, string> = {};
    if (fields.steps !== "") recipe["train_step"] = fields.steps;
    if (fields.learningRate !== "") recipe["learning_rate"] = fields.learningRate;
    const reply = await training.createJob(
      {
        requestId: crypto.randomUUID(),
        spec: {
          kind: JobKind.FINE_TUNE,
          model: fields.model,
          task: fields.task,
          train: { dataset },
          recipe,
          promote: fields.promote ? PromotePolicy.AUTO_IF_BETTER : PromotePolicy.MANUAL,
        },
      },
      { signal },
    );
    if (reply.job !== undefined) onCreated(reply.job);
    return reply.job;
  });
  return (
    <section>
      <h2>New fine-tune</h2>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (file !== undefined) void create(file);
        }}
      >
        <div class="row">
          <label>
            Model
            <input required value={fields.model} onInput={(event) => set({ model: event.currentTarget.value })} />
          </label>
          <label>
            Task
            <select value={fields.task} onChange={(event) => set({ task: event.currentTarget.value })}>
              {TASKS.map((task) => (
                <option key={task}>{task}</option>
              ))}
            </select>
          </label>
          <label>
            Steps <small>empty: recipe</small>
            <input
              inputMode="numeric"
              pattern="[0-9]*"
              value={fields.steps}
              onInput={(event) => set({ steps: event.currentTarget.value })}
            />
          </label>
          <label>
            Learning rate <small>empty: recipe</small>
            <input
              inputMode="decimal"
              value={fields.learningRate}
              onInput={(event) => set({ learningRate: event.currentTarget.value })}
            />
          </label>
        </div>
        <label>
          Training data <small>CSV, TSV, JSONL or SQuAD JSON, also gzipped</small>
          <input type="file" required onChange={(event) => setFile(event.currentTarget.files?.[0])} />
        </label>
        <label class="check">
          <span>
            <input
              type="checkbox"
              style={{ width: "auto" }}
              checked={fields.promote}
              onChange={(event) => set({ promote: event.currentTarget.checked })}
            />{" "}
            Promote when the gate says it is better
          </span>
        </label>
        <button type="submit" disabled={call.state === "running" || file === undefined}>
          Start
        </button>
      </form>
      <div aria-live="polite">
        {call.state === "running" && sent < 1 && <progress aria-label="Upload" value={sent} max={1} />}
        {call.state === "failed" && <Problems problems={call.problems} />}
        {report !== undefined && <Report report={report} />}
      </div>
    </section>
  );
}

function Report({ report }: { readonly report: ValidateDatasetResponse }) {
  return (
    <div class="result">
      <p>
        <span class={`state ${report.usable ? "good" : "bad"}`}>{report.usable ? "Usable" : "Not usable"}</span>:{" "}
        {report.rowsAccepted} of {report.rowsRead} rows accepted
        {report.rowsRejected > 0 ? `, ${report.rowsRejected} rejected` : ""}.{" "}
        {Object.entries(report.labels)
          .map(([label, count]) => `${label} ${count}`)
          .join(", ")}
      </p>
      {report.issues.length > 0 && (
        <ul class="issues">
          {report.issues.map((issue) => (
            <li key={issue.kind}>
              <b class={issue.fatal ? "state bad" : "state"}>{issue.kind}</b> × {issue.count} at{" "}
              {issue.locations.join(", ")}. {issue.hint}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
