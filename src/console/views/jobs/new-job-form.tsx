import { useEffect, useState } from "preact/hooks";
import type { Job, ValidateDatasetResponse } from "../../../gen/albert/v1/training_pb.js";
import { datasets, models, training } from "../../api.ts";
import { Problems } from "../../parts/calls/problems.tsx";
import { useCall } from "../../parts/calls/use-call.ts";
import { ModelSelect } from "../../parts/model-select.tsx";
import { TaskSelect } from "../../parts/task-select.tsx";
import { addressParameters } from "../../parts/words/address.ts";
import { uploadDataset } from "../../upload.ts";
import { EMPTY_FIELDS, type JobFields, jobSpecOf, type Purpose, readingRecipe, recipeOf } from "./job-request.ts";
import { FitSelect, MoreSettings } from "./more-settings.tsx";
import { RowsReport } from "./rows-report.tsx";
import { SettingsToTry } from "./settings-to-try.tsx";

/** Uploads a file, shows what is wrong with its rows by line, and queues a job: a fine-tune or distillation, a fit, a conversion, or scales of static int8. */
export function NewJobForm({ onCreated }: { readonly onCreated: (job: Job) => void }) {
  const [fields, setFields] = useState<JobFields>({ ...EMPTY_FIELDS, model: addressParameters().get("model") ?? "" });
  /** A data set of the store that the address names, for whom no file is chosen. */
  const [stored] = useState(addressParameters().get("train") ?? "");
  const [plain, setPlain] = useState<File | undefined>(undefined);
  const [other, setOther] = useState<File | undefined>(undefined);
  const [file, setFile] = useState<File | undefined>(undefined);
  const [sent, setSent] = useState(0);
  const [report, setReport] = useState<ValidateDatasetResponse | undefined>(undefined);
  const [list, load] = useCall((signal) => models.listVersions({ pageSize: 200 }, { signal }));
  useEffect(() => void load(), [load]);
  const names = list.state === "done" ? [...new Set(list.value.versions.map((version) => version.model))].sort() : [];
  const model = fields.model === "" ? (names[0] ?? "") : fields.model;
  const teaches = fields.purpose === "teach";
  const quantises = fields.purpose === "quantise";
  const set = (change: Partial<JobFields>) => setFields({ ...fields, ...change });
  const [call, create] = useCall(async (signal, chosen: File | undefined) => {
    setReport(undefined);
    setSent(0);
    const dataset = chosen === undefined ? stored : await uploadDataset(chosen, signal, setSent);
    setSent(1);
    const recipe = fields.purpose === "teach" ? recipeOf(fields) : readingRecipe(fields);
    const { task } = fields;
    const validation = await datasets.validateDataset({ source: { dataset }, task, model, recipe }, { signal });
    setReport(validation);
    if (!validation.usable) return undefined;
    const learns = fields.purpose === "teach" && fields.teacher.trim() !== "";
    const texts = learns && plain !== undefined ? { texts: await uploadDataset(plain, signal, setSent) } : {};
    const further =
      (teaches || quantises) && other !== undefined ? { further: await uploadDataset(other, signal, setSent) } : {};
    const spec = jobSpecOf({ ...fields, model }, { dataset, ...further, ...texts });
    const reply = await training.createJob({ requestId: crypto.randomUUID(), spec }, { signal });
    if (reply.job !== undefined) onCreated(reply.job);
    return reply.job;
  });
  return (
    <form
      class="card"
      aria-labelledby="new-job"
      onSubmit={(event) => {
        event.preventDefault();
        if (file !== undefined || stored !== "") void create(file);
      }}
    >
      <h2 id="new-job">New job</h2>
      <label>
        What
        <select
          value={fields.purpose}
          // The options are the purposes.
          onChange={(event) => set({ purpose: event.currentTarget.value as Purpose, fit: "" })}
        >
          <option value="teach">Teach a model</option>
          <option value="calibrate">Fit its decisions to data it has not seen</option>
          <option value="convert">Store its weights in fewer bytes</option>
          <option value="quantise">Find scales for static int8</option>
        </select>
      </label>
      <div class="row">
        <ModelSelect
          models={model === "" || names.includes(model) ? names : [model, ...names]}
          value={model}
          onChange={(chosen) => set({ model: chosen })}
        />
        <TaskSelect value={fields.task} onChange={(task) => set({ task })} />
      </div>
      <label>
        {teaches ? "Training data" : "Data that it was not trained on"}{" "}
        <small>CSV, TSV, JSONL or SQuAD JSON, also gzipped</small>
        <input type="file" required={stored === ""} onChange={(event) => setFile(event.currentTarget.files?.[0])} />
      </label>
      {stored !== "" && file === undefined && (
        <p class="muted">
          Without a file: the data set <code>{stored.slice(0, 12)}</code> of the store.
        </p>
      )}
      {teaches && (
        <>
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
        </>
      )}
      {fields.purpose === "convert" && (
        <label>
          Weights
          <select value={fields.weights} onChange={(event) => set({ weights: event.currentTarget.value })}>
            <option value="int8">int8: about a quarter of the bytes</option>
            <option value="float16">float16: half of the bytes</option>
          </select>
        </label>
      )}
      {quantises && (
        <div class="row">
          <label>
            Examples to observe <small>such as training data; the data above unless given</small>
            <input type="file" onChange={(event) => setOther(event.currentTarget.files?.[0])} />
          </label>
          <label>
            Lose on them at most <small>percent of the task's metric</small>
            <input
              type="number"
              min="0"
              max="100"
              step="any"
              placeholder="0.5"
              value={fields.maxLoss}
              onInput={(event) => set({ maxLoss: event.currentTarget.value })}
            />
          </label>
        </div>
      )}
      {fields.purpose === "calibrate" && <FitSelect none={undefined} fields={fields} set={set} />}
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
      {teaches && <SettingsToTry fields={fields} set={set} />}
      {teaches && <MoreSettings fields={fields} set={set} onFurther={setOther} />}
      <div class="actions">
        <button type="submit" aria-busy={call.state === "running"} disabled={file === undefined && stored === ""}>
          Start
        </button>
      </div>
      <div aria-live="polite">
        {call.state === "running" && sent < 1 && <progress aria-label="Upload" value={sent} max={1} />}
        {call.state === "running" && sent >= 1 && report === undefined && <p class="muted">Checking every row …</p>}
        {call.state === "failed" && <Problems problems={call.problems} />}
        {list.state === "failed" && <Problems problems={list.problems} />}
        {report !== undefined && <RowsReport report={report} />}
      </div>
    </form>
  );
}
