import { useState } from "preact/hooks";
import type { ModelVersion } from "../../../gen/albert/v1/models_pb.js";
import type { Dataset, ValidateDatasetResponse } from "../../../gen/albert/v1/training_pb.js";
import { training } from "../../api.ts";
import { Problems } from "../../parts/calls/problems.tsx";
import { useCall } from "../../parts/calls/use-call.ts";
import { ChooseData } from "../../parts/data/choose-data.tsx";
import { ShareField } from "../../parts/data/share-field.tsx";
import { StoredSelect } from "../../parts/data/stored-select.tsx";
import { addressParameters, keepInAddress } from "../../parts/words/address.ts";
import { DataStep } from "./data-step.tsx";
import { Plan } from "./plan.tsx";
import { fieldsOf, inAddress, specOf, type TeachFields } from "./teach-request.ts";

/** The steps before a model is taught. Everything that is chosen stands in the address. */
export function TeachForm({
  stored,
  versions,
  onCreated,
}: {
  readonly stored: readonly Dataset[];
  readonly versions: readonly ModelVersion[];
  readonly onCreated: (jobId: string) => void;
}) {
  const names = [...new Set(versions.map(({ model }) => model))].sort();
  const every = [...versions].reverse().map(({ model, version }) => `${model}@${version}`);
  const [fields, setFields] = useState<TeachFields>(() => {
    const given = fieldsOf(addressParameters());
    return given.start === "" && !names.includes(given.name) ? { ...given, start: every[0] ?? "" } : given;
  });
  const set = (change: Partial<TeachFields>) => {
    const next = { ...fields, ...change };
    setFields(next);
    keepInAddress("teach", inAddress(next));
  };
  const [report, setReport] = useState<ValidateDatasetResponse | undefined>(undefined);
  // Once the first check is done the steps behind it stay, so that nothing moves while another one runs.
  const [shown, setShown] = useState(false);
  const onReport = (next: ValidateDatasetResponse | undefined) => {
    setReport(next);
    if (next !== undefined) setShown(true);
  };
  const [plan, makePlan] = useCall((signal) => training.planJob({ spec: specOf(fields) }, { signal }));
  const [call, start] = useCall(async (signal) => {
    const { job } = await training.createJob({ requestId: crypto.randomUUID(), spec: specOf(fields) }, { signal });
    onCreated(job!.id);
  });
  const isKnown = names.includes(fields.name.trim());
  const model = fields.start === "" ? fields.name.trim() : fields.start.replace(/[@/].*$/, "");
  const serves = versions.some((one) => one.model === model && one.aliases.includes("champion"));
  const against = serves ? model : "";
  const ready = report?.usable === true && fields.name.trim() !== "" && (isKnown || fields.start !== "");
  const missing =
    report?.usable !== true
      ? "Choose data that can be used."
      : fields.name.trim() === ""
        ? "Give it a name."
        : "Choose what it starts from.";
  return (
    <>
      <section class="card" aria-labelledby="step-data">
        <h2 id="step-data">1. The data</h2>
        <ChooseData
          stored={stored}
          value={fields.data}
          onChoose={(data) => {
            setReport(undefined);
            set({ data, skip: "" });
          }}
        />
        {fields.data === "" ? (
          <p class="empty">
            A row is a text and its label: <code>text,label</code>, then one line each. Twenty rows of each label show
            whether it works, some hundreds make it good.
          </p>
        ) : (
          <DataStep key={fields.data} fields={fields} against={against} set={set} onReport={onReport} />
        )}
      </section>
      {(shown || report !== undefined) && (
        <form
          class="card"
          aria-labelledby="step-model"
          onSubmit={(event) => {
            event.preventDefault();
            if (ready) void start();
          }}
        >
          <h2 id="step-model">2. The model</h2>
          <div class="row">
            <label>
              Name <small>a new one, or one that gets a new version</small>
              <input
                required
                list="model-names"
                placeholder="tickets"
                pattern="[A-Za-z0-9][A-Za-z0-9._\-]*"
                value={fields.name}
                onInput={(event) => set({ name: event.currentTarget.value })}
              />
              <datalist id="model-names">
                {names.map((name) => (
                  <option key={name} value={name} />
                ))}
              </datalist>
            </label>
            <label>
              Starts from
              <select value={fields.start} onChange={(event) => set({ start: event.currentTarget.value })}>
                {!isKnown && fields.start === "" && <option value="">choose …</option>}
                {isKnown && <option value="">what serves as {fields.name.trim()}</option>}
                {!every.includes(fields.start) && fields.start !== "" && (
                  <option value={fields.start}>{fields.start}</option>
                )}
                {every.map((version) => (
                  <option key={version} value={version}>
                    {version}
                  </option>
                ))}
              </select>
            </label>
          </div>
          <div class="row">
            <StoredSelect
              label="Judged on"
              none="a tenth of the rows, which it is not taught"
              stored={stored}
              value={fields.evaluation}
              onChange={(evaluation) => set({ evaluation })}
            />
            <label>
              Steps <small>as the recipe says, unless given</small>
              <input
                inputMode="numeric"
                pattern="[0-9]*"
                value={fields.steps}
                onInput={(event) => set({ steps: event.currentTarget.value })}
              />
            </label>
          </div>
          <div class="row">
            <StoredSelect
              label="Also taught"
              none="nothing else"
              stored={stored}
              value={fields.further}
              onChange={(further) => set({ further })}
            />
            {fields.further !== "" && (
              <ShareField value={fields.furtherShare} onChange={(furtherShare) => set({ furtherShare })} />
            )}
          </div>
          <label class="check">
            <input
              type="checkbox"
              checked={fields.promote}
              onChange={(event) => set({ promote: event.currentTarget.checked })}
            />
            Let it serve when it is better than what serves now
          </label>
          <h2>3. The plan</h2>
          <p class="muted">
            A few measured steps tell how long it will take. Other settings are under <a href="#/jobs">Jobs</a>.
          </p>
          <div class="actions">
            <button type="submit" aria-busy={call.state === "running"} disabled={!ready}>
              Teach it
            </button>
            <button
              type="button"
              class="quiet"
              aria-busy={plan.state === "running"}
              disabled={!ready}
              onClick={() => void makePlan()}
            >
              Plan it first
            </button>
            {!ready && <span class="muted">{missing}</span>}
          </div>
          <div aria-live="polite">
            {plan.state === "running" && <p class="muted">Measuring some steps …</p>}
            {plan.state === "failed" && <Problems problems={plan.problems} />}
            {plan.state === "done" && <Plan plan={plan.value} />}
            {call.state === "failed" && <Problems problems={call.problems} />}
          </div>
        </form>
      )}
    </>
  );
}

/** One of the stored data sets, or none. */
