import { useEffect, useState } from "preact/hooks";
import { type Job, JobKind, PromotePolicy, type ValidateDatasetResponse } from "../../../gen/albert/v1/training_pb.js";
import { datasets, models, training } from "../../api.ts";
import { Problems } from "../../parts/calls/problems.tsx";
import { useCall } from "../../parts/calls/use-call.ts";
import { ModelSelect } from "../../parts/model-select.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { TASKS } from "../../parts/words/tasks.ts";
import { uploadDataset } from "../../upload.ts";

interface Fields {
  readonly model: string;
  readonly task: string;
  readonly steps: string;
  readonly learningRate: string;
  readonly promote: boolean;
  readonly columns: string;
  readonly skipInvalid: string;
  readonly windowsText: boolean;
  readonly teacher: string;
}

/** Uploads a file, shows what is wrong with its rows by line, and queues a fine-tune of it, or a distillation where there is a teacher. */
export function NewJobForm({ onCreated }: { readonly onCreated: (job: Job) => void }) {
  const [fields, setFields] = useState<Fields>({
    model: "",
    task: "classification",
    steps: "",
    learningRate: "",
    promote: true,
    columns: "",
    skipInvalid: "",
    windowsText: false,
    teacher: "",
  });
  const [plain, setPlain] = useState<File | undefined>(undefined);
  const [file, setFile] = useState<File | undefined>(undefined);
  const [sent, setSent] = useState(0);
  const [report, setReport] = useState<ValidateDatasetResponse | undefined>(undefined);
  const [list, load] = useCall((signal) => models.listVersions({ pageSize: 200 }, { signal }));
  useEffect(() => void load(), [load]);
  const names = list.state === "done" ? [...new Set(list.value.versions.map((version) => version.model))].sort() : [];
  const model = fields.model === "" ? (names[0] ?? "") : fields.model;
  const set = (change: Partial<Fields>) => setFields({ ...fields, ...change });
  const [call, create] = useCall(async (signal, chosen: File) => {
    setReport(undefined);
    setSent(0);
    const dataset = await uploadDataset(chosen, signal, setSent);
    const recipe: Record<string, string> = {};
    if (fields.steps !== "") recipe["train_step"] = fields.steps;
    if (fields.learningRate !== "") recipe["learning_rate"] = fields.learningRate;
    if (fields.columns.trim() !== "") recipe["columns"] = fields.columns.trim();
    if (fields.skipInvalid !== "") recipe["skip_invalid"] = String(Number(fields.skipInvalid) / 100);
    if (fields.windowsText) recipe["accept_windows_text"] = "true";
    const { task } = fields;
    const validation = await datasets.validateDataset({ source: { dataset }, task, model, recipe }, { signal });
    setReport(validation);
    if (!validation.usable) return undefined;
    const teacher = fields.teacher.trim();
    const texts = teacher === "" || plain === undefined ? undefined : await uploadDataset(plain, signal, setSent);
    const reply = await training.createJob(
      {
        requestId: crypto.randomUUID(),
        spec: {
          kind: teacher === "" ? JobKind.FINE_TUNE : JobKind.DISTIL,
          model,
          task,
          teacher,
          train: { dataset },
          ...(texts === undefined ? {} : { unlabelled: { dataset: texts } }),
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
    <form
      class="card"
      aria-labelledby="new-job"
      onSubmit={(event) => {
        event.preventDefault();
        if (file !== undefined) void create(file);
      }}
    >
      <h2 id="new-job">New fine-tune</h2>
      <div class="row">
        <ModelSelect models={names} value={model} onChange={(chosen) => set({ model: chosen })} />
        <label>
          Task
          <select value={fields.task} onChange={(event) => set({ task: event.currentTarget.value })}>
            {TASKS.map((task) => (
              <option key={task}>{task}</option>
            ))}
          </select>
        </label>
      </div>
      <label>
        Training data <small>CSV, TSV, JSONL or SQuAD JSON, also gzipped</small>
        <input type="file" required onChange={(event) => setFile(event.currentTarget.files?.[0])} />
      </label>
      <div class="row">
        <label>
          Steps
          <input
            inputMode="numeric"
            pattern="[0-9]*"
            placeholder="as the recipe says"
            value={fields.steps}
            onInput={(event) => set({ steps: event.currentTarget.value })}
          />
        </label>
        <label>
          Learning rate
          <input
            inputMode="decimal"
            placeholder="as the recipe says"
            value={fields.learningRate}
            onInput={(event) => set({ learningRate: event.currentTarget.value })}
          />
        </label>
      </div>
      <div class="row">
        <label>
          Teacher <small>a version whose answers are learnt too</small>
          <input
            placeholder="none; else name@7 or name/champion"
            value={fields.teacher}
            onInput={(event) => set({ teacher: event.currentTarget.value })}
          />
        </label>
        <label>
          Texts without labels <small>for the teacher to answer</small>
          <input
            type="file"
            disabled={fields.teacher.trim() === ""}
            onChange={(event) => setPlain(event.currentTarget.files?.[0])}
          />
        </label>
      </div>
      <div class="row">
        <label>
          Columns <small>where the file's own names differ</small>
          <input
            placeholder="text=Message,label=Team"
            value={fields.columns}
            onInput={(event) => set({ columns: event.currentTarget.value })}
          />
        </label>
        <label>
          Leave out rows that cannot be used, at most <small>percent</small>
          <input
            type="number"
            min="0"
            max="100"
            step="any"
            placeholder="none: each is an error"
            value={fields.skipInvalid}
            onInput={(event) => set({ skipInvalid: event.currentTarget.value })}
          />
        </label>
      </div>
      <label class="check">
        <input
          type="checkbox"
          checked={fields.windowsText}
          onChange={(event) => set({ windowsText: event.currentTarget.checked })}
        />
        Drop byte order marks and carriage returns, as Windows programs write them
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={fields.promote}
          onChange={(event) => set({ promote: event.currentTarget.checked })}
        />
        Promote when the gate says it is better
      </label>
      <div class="actions">
        <button type="submit" aria-busy={call.state === "running"} disabled={file === undefined}>
          Start
        </button>
      </div>
      <div aria-live="polite">
        {call.state === "running" && sent < 1 && <progress aria-label="Upload" value={sent} max={1} />}
        {call.state === "running" && sent >= 1 && report === undefined && <p class="muted">Checking every row …</p>}
        {call.state === "failed" && <Problems problems={call.problems} />}
        {list.state === "failed" && <Problems problems={list.problems} />}
        {report !== undefined && <Report report={report} />}
      </div>
    </form>
  );
}

function Report({ report }: { readonly report: ValidateDatasetResponse }) {
  return (
    <div class="report">
      <p>
        <StateBadge tone={report.usable ? "good" : "bad"}>{report.usable ? "usable" : "not usable"}</StateBadge>{" "}
        {report.rowsAccepted} of {report.rowsRead} rows accepted
        {report.rowsRejected > 0 ? `, ${report.rowsRejected} rejected` : ""}
      </p>
      <p class="labels">
        {report.labelCounts.map(({ label, rows: count }) => (
          <span key={label} class="chip">
            {label} <b>{count}</b>
          </span>
        ))}
      </p>
      {report.issues.length > 0 && (
        <ul class="issues">
          {report.issues.map((issue) => (
            <li key={issue.kind}>
              <p>
                <b class={issue.fatal ? "bad" : ""}>{issue.kind}</b> × {issue.count}
              </p>
              <p>
                {issue.locations.map((location) => (
                  <code key={location}>{location}</code>
                ))}
              </p>
              <p class="muted">{issue.hint}</p>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
