import type { JobFields } from "./job-request.ts";

/** Settings of which several values are tried, and how: the best of the trials is published. */
export function SettingsToTry({
  fields,
  set,
}: {
  readonly fields: JobFields;
  readonly set: (change: Partial<JobFields>) => void;
}) {
  return (
    <details>
      <summary>Try several settings</summary>
      <label>
        Settings to try{" "}
        <small>name=values or name=range, one a line; the best trial on the evaluation data is published</small>
        <textarea
          rows={3}
          placeholder={"learning_rate=log:1e-5..1e-3\ntrain_batch_size=8,16,32"}
          value={fields.vary}
          onInput={(event) => set({ vary: event.currentTarget.value })}
        />
      </label>
      <div class="row">
        <label>
          Chosen by
          <select
            value={fields.method}
            // The options are the methods.
            onChange={(event) => set({ method: event.currentTarget.value as JobFields["method"] })}
          >
            <option value="random">drawing</option>
            <option value="grid">every combination</option>
            <option value="halving">drawing; the better third goes on</option>
          </select>
        </label>
        <label>
          Trials
          <input
            inputMode="numeric"
            pattern="[0-9]*"
            placeholder={fields.method === "grid" ? "all combinations" : "9"}
            disabled={fields.method === "grid"}
            value={fields.trials}
            onInput={(event) => set({ trials: event.currentTarget.value })}
          />
        </label>
      </div>
    </details>
  );
}
