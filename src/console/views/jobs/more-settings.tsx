import { ShareField } from "../../parts/data/share-field.tsx";
import type { JobFields } from "./job-request.ts";

// The settings of a new job that most leave as they are.

interface Settings {
  readonly fields: JobFields;
  readonly set: (change: Partial<JobFields>) => void;
}

/** Chooses what is fitted to data that was kept aside. @param none  what it is called to fit nothing, where that may be chosen */
export function FitSelect({ none, fields, set }: Settings & { readonly none: string | undefined }) {
  return (
    <label>
      Fit <small>to data that was kept aside</small>
      <select value={fields.fit} onChange={(event) => set({ fit: event.currentTarget.value })}>
        {none !== undefined && <option value="">{none}</option>}
        <option value={none === undefined ? "" : "temperature"}>probabilities: a temperature</option>
        <option value="threshold">and the threshold between two labels</option>
      </select>
    </label>
  );
}

/** Several runs, layers one after the other, a fit of the result, and any other setting by its name. */
export function MoreSettings({
  fields,
  set,
  onFurther,
}: Settings & { readonly onFurther: (file: File | undefined) => void }) {
  return (
    <details>
      <summary>More settings</summary>
      <div class="row">
        <label>
          A second file <small>in the layout of the first</small>
          <input type="file" onChange={(event) => onFurther(event.currentTarget.files?.[0])} />
        </label>
        <ShareField value={fields.furtherShare} onChange={(furtherShare) => set({ furtherShare })} />
      </div>
      <div class="row">
        <label>
          Runs with a seed each
          <input
            inputMode="numeric"
            pattern="[0-9]*"
            placeholder="1"
            disabled={fields.folds !== ""}
            value={fields.seeds}
            onInput={(event) => set({ seeds: event.currentTarget.value })}
          />
        </label>
        <label>
          Folds <small>each held out by one run</small>
          <input
            inputMode="numeric"
            pattern="[0-9]*"
            placeholder="none"
            disabled={fields.seeds !== ""}
            value={fields.folds}
            onInput={(event) => set({ folds: event.currentTarget.value })}
          />
        </label>
        <label>
          Keep <small>of several runs</small>
          <select value={fields.publish} onChange={(event) => set({ publish: event.currentTarget.value })}>
            <option value="">the best</option>
            <option value="median">the median</option>
          </select>
        </label>
      </div>
      <div class="row">
        <label>
          Unfreeze a group of layers every <small>passes</small>
          <input
            inputMode="decimal"
            placeholder="all learn from the first step"
            value={fields.unfreezeEpochs}
            onInput={(event) => set({ unfreezeEpochs: event.currentTarget.value })}
          />
        </label>
        <FitSelect none="nothing" fields={fields} set={set} />
      </div>
      <label>
        Other settings <small>name=value, one a line, as in the documentation of hyperparameters</small>
        <textarea
          rows={3}
          placeholder={"class_weights=balanced\nlabel_smoothing=0.1"}
          value={fields.settings}
          onInput={(event) => set({ settings: event.currentTarget.value })}
        />
      </label>
    </details>
  );
}
