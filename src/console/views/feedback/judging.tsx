import { useEffect, useRef, useState } from "preact/hooks";
import { Problems } from "../../parts/calls/problems.tsx";
import { useCall } from "../../parts/calls/use-call.ts";
import { Download } from "../../parts/download.tsx";
import { hrefOf } from "../../parts/words/address.ts";
import { uploadDataset } from "../../upload.ts";
import { type JudgedItem, linesOfJudged, type Sitting } from "./sitting.ts";

/** Labels that a single key stands for. */
const KEYS = 9;

/** One answer at a time, with a key for every label; counts, and the way to a data set. */
export function Judging({
  sitting,
  onChange,
  onJudge,
  onEnd,
  end = "Bring other texts",
}: {
  readonly sitting: Sitting;
  readonly onChange: (sitting: Sitting) => void;
  /** Told of each judgement, which stands from then on; absent where judgements can be undone, and are kept here alone. */
  readonly onJudge?: (item: JudgedItem, right: string | null) => unknown;
  readonly onEnd: () => void;
  readonly end?: string;
}) {
  const { model, items } = sitting;
  const open = items.findIndex(({ right }) => right === undefined);
  const labels = items[open]?.labels ?? sitting.labels;
  const [past, setPast] = useState<readonly number[]>([]);
  const judge = (right: string | null) => {
    if (open < 0) return;
    onJudge?.(items[open]!, right);
    setPast([...past, open]);
    onChange({ ...sitting, items: items.map((item, i) => (i === open ? { ...item, right } : item)) });
  };
  const undo = () => {
    const last = past.at(-1);
    if (last === undefined) return;
    setPast(past.slice(0, -1));
    onChange({
      ...sitting,
      items: items.map((item, i) => {
        if (i !== last) return item;
        const { right: _, ...unjudged } = item;
        return unjudged;
      }),
    });
  };
  const act = useRef<(event: KeyboardEvent) => void>(() => {});
  act.current = (event) => {
    const { key, target, ctrlKey, metaKey, altKey } = event;
    if (
      ctrlKey ||
      metaKey ||
      altKey ||
      (target instanceof Element && target.closest("input, select, textarea, dialog"))
    )
      return;
    const current = items[open];
    const number = Number(key);
    const chosen = number >= 1 && number <= KEYS ? labels[number - 1] : undefined;
    const pressed = target instanceof Element && target.closest("button, a, summary") !== null;
    if (chosen !== undefined) judge(chosen);
    else if (key === "Enter" && !pressed && current !== undefined) judge(current.label);
    else if (key === "s") judge(null);
    else if (key === "u" && onJudge === undefined) undo();
    else return;
    event.preventDefault();
  };
  useEffect(() => {
    const listen = (event: KeyboardEvent) => act.current(event);
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, []);
  const current = items[open];
  const judged = items.filter(({ right }) => typeof right === "string");
  const corrected = judged.filter(({ right, label }) => right !== label);
  return (
    <>
      <div class="card-head">
        <h2>{current === undefined ? "All are judged" : "Is this right?"}</h2>
        <p class="muted" role="status">
          {judged.length} of {items.length} judged, {corrected.length} corrected
          {judged.length > 0
            ? `; ${model} was right in ${((100 * (judged.length - corrected.length)) / judged.length).toFixed(0)} % of them`
            : ""}
        </p>
      </div>
      <progress
        aria-label="Judged"
        value={items.length - items.filter(({ right }) => right === undefined).length}
        max={Math.max(1, items.length)}
      />
      {current !== undefined && (
        <>
          <p class="context to-judge">{current.text}</p>
          <p>
            {model} says <b>{current.label}</b>, {(100 * current.score).toFixed(1)} % sure.
          </p>
          <fieldset class="label-keys">
            <legend class="visually-hidden">The right label</legend>
            {labels.map((label, i) => (
              <button
                key={label}
                type="button"
                class={label === current.label ? "" : "quiet"}
                onClick={() => judge(label)}
              >
                {i < KEYS && <kbd>{i + 1}</kbd>} {label}
              </button>
            ))}
          </fieldset>
        </>
      )}
      <div class="actions">
        {current !== undefined && (
          <button type="button" class="quiet" onClick={() => judge(null)}>
            <kbd>s</kbd> Pass over
          </button>
        )}
        {onJudge === undefined && (
          <button type="button" class="quiet" disabled={past.length === 0} onClick={undo}>
            <kbd>u</kbd> Undo
          </button>
        )}
        <button type="button" class="quiet" onClick={onEnd}>
          {end}
        </button>
        {current !== undefined && (
          <span class="muted keys">
            <kbd>Enter</kbd> it is right
          </span>
        )}
      </div>
      {onJudge === undefined && judged.length > 0 && <BecomeData sitting={sitting} rows={judged.length} />}
    </>
  );
}

/** What was judged, as a file, or as a data set of the store from which a job can be started. */
function BecomeData({ sitting, rows }: { readonly sitting: Sitting; readonly rows: number }) {
  const lines = linesOfJudged(sitting.items);
  const name = `feedback-${sitting.model}.jsonl`;
  const [call, store] = useCall((signal) =>
    uploadDataset(new File([lines], name, { type: "application/jsonl" }), signal, () => {}),
  );
  return (
    <div class="become-data">
      <div class="actions">
        <button type="button" aria-busy={call.state === "running"} onClick={() => void store()}>
          Store {rows} as a data set
        </button>
        <Download name={name} type="application/jsonl" text={() => lines}>
          Save as JSONL
        </Download>
      </div>
      <div aria-live="polite">
        {call.state === "failed" && <Problems problems={call.problems} />}
        {call.state === "done" && (
          <p class="notice good">
            Stored as {name}, {call.value.slice(0, 12)}.{" "}
            <a href={hrefOf("jobs", { model: sitting.model, train: call.value })}>Teach {sitting.model} from it</a>
          </p>
        )}
      </div>
    </div>
  );
}
