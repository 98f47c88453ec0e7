import { useEffect, useRef, useState } from "preact/hooks";
import { CanaryDecision, type ModelVersion } from "../../../gen/albert/v1/models_pb.js";

// The dialog that gives a version a share of the requests as a canary.

/** What a person wants of a canary. */
export interface CanaryWish {
  readonly percent: number;
  readonly decide: CanaryDecision;
  readonly reason: string;
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
  const [reason, setReason] = useState("");
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby="canary-title" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onGive({
            percent: Number(percent),
            decide: CHOICES[choice]?.decide ?? CanaryDecision.ROLLBACK,
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
        <label>
          Share of the requests <small>percent</small>
          <input
            required
            type="number"
            min="0"
            max="99"
            step="any"
            value={percent}
            onInput={(event) => setPercent(event.currentTarget.value)}
          />
        </label>
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
