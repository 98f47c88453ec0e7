import { useEffect, useRef, useState } from "preact/hooks";
import { CanaryDecision, type ModelVersion } from "../../../gen/albert/v1/models_pb.js";

// The dialog that gives a version a share of the requests as a canary.

/** What a person wants of a canary. */
export interface CanaryWish {
  readonly percent: number;
  readonly conditions: CanaryWishConditions;
  readonly reason: string;
}

/** What of `CanaryConditions` a person chooses here; the rest has its defaults. */
export interface CanaryWishConditions {
  readonly decide: CanaryDecision;
  readonly minRequests: number;
  readonly minJudged: number;
  readonly wrongRatio: number;
}

const CHOICES: readonly { readonly decide: CanaryDecision; readonly text: string }[] = [
  { decide: CanaryDecision.ROLLBACK, text: "take it back where it is worse" },
  { decide: CanaryDecision.PROMOTE, text: "also promote it where it is as good" },
  { decide: CanaryDecision.NONE, text: "nothing: a person decides" },
];

/** Asks which share of the requests a version gets as a canary, and what may be done with it by itself. */
export function CanaryDialog({
  version,
  onGive,
  onClose,
}: {
  readonly version: ModelVersion;
  readonly onGive: (wish: CanaryWish) => void;
  readonly onClose: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [percent, setPercent] = useState("10");
  const [choice, setChoice] = useState(0);
  const [minRequests, setMinRequests] = useState("1000");
  const [minJudged, setMinJudged] = useState("0");
  const [wrongRatio, setWrongRatio] = useState("1.25");
  const [reason, setReason] = useState("");
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby="canary-title" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onGive({
            percent: Number(percent),
            conditions: {
              decide: CHOICES[choice]?.decide ?? CanaryDecision.ROLLBACK,
              minRequests: Number(minRequests),
              minJudged: Number(minJudged),
              wrongRatio: Number(wrongRatio),
            },
            reason: reason.trim(),
          });
        }}
      >
        <h2 id="canary-title">
          {version.model} {version.version} as a canary
        </h2>
        <p>
          It answers a share of the requests, on every server with this store. What it cannot answer the champion does.
        </p>
        <NumberField
          label="Share of the requests"
          unit="percent"
          min="0"
          max="99"
          step="any"
          value={percent}
          set={setPercent}
        />
        <label>
          By itself
          <select value={choice} onChange={(event) => setChoice(event.currentTarget.selectedIndex)}>
            {CHOICES.map(({ text }, i) => (
              <option key={text} value={i}>
                {text}
              </option>
            ))}
          </select>
        </label>
        <details>
          <summary>Conditions</summary>
          <NumberField
            label="Requests"
            unit="that it answers before it may be promoted"
            min="1"
            value={minRequests}
            set={setMinRequests}
          />
          <NumberField
            label="Judged answers"
            unit="of its own, before it may be promoted"
            min="0"
            value={minJudged}
            set={setMinJudged}
          />
          <NumberField
            label="Wrong answers"
            unit="of those that people judge: so many times the champion's rate are too many"
            min="1"
            step="any"
            value={wrongRatio}
            set={setWrongRatio}
          />
        </details>
        <label>
          Reason <small>kept with the change</small>
          <input value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
        </label>
        <div class="actions">
          <button type="submit">Give it the share</button>
          <button type="button" class="quiet" onClick={() => dialog.current?.close()}>
            Leave it
          </button>
        </div>
      </form>
    </dialog>
  );
}

function NumberField({
  label,
  unit,
  min,
  max,
  step = "1",
  value,
  set,
}: {
  readonly label: string;
  readonly unit: string;
  readonly min: string;
  readonly max?: string;
  readonly step?: string;
  readonly value: string;
  readonly set: (value: string) => void;
}) {
  return (
    <label>
      {label} <small>{unit}</small>
      <input
        required
        type="number"
        min={min}
        max={max}
        step={step}
        value={value}
        onInput={(event) => set(event.currentTarget.value)}
      />
    </label>
  );
}
