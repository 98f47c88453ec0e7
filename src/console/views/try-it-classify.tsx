import { useState } from "preact/hooks";
import { inference } from "../api.ts";
import { MetaLine } from "../parts/meta-line.tsx";
import { ModelSelect } from "../parts/model-select.tsx";
import { Problems } from "../parts/problems.tsx";
import { ScoreBars } from "../parts/score-bars.tsx";
import { useCall } from "../parts/use-call.ts";

/** One text, or a pair, and the probabilities of its labels. */
export function ClassifyForm({ models }: { readonly models: readonly string[] }) {
  const [model, setModel] = useState(models[0]!);
  const [text, setText] = useState("A gripping film with a wonderful cast.");
  const [pair, setPair] = useState("");
  const [call, classify] = useCall((signal) =>
    inference.classify(
      { options: { model }, text, ...(pair === "" ? {} : { textPair: pair }) },
      { signal, timeoutMs: 20_000 },
    ),
  );
  return (
    <>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void classify();
        }}
      >
        <ModelSelect models={models} value={model} onChange={setModel} />
        <label>
          Text
          <textarea value={text} onInput={(event) => setText(event.currentTarget.value)} />
        </label>
        <label>
          Second text <small>only for models of text pairs</small>
          <input value={pair} onInput={(event) => setPair(event.currentTarget.value)} />
        </label>
        <button type="submit" disabled={call.state === "running"}>
          Classify
        </button>
      </form>
      <div class="result" aria-live="polite">
        {call.state === "failed" && <Problems problems={call.problems} />}
        {call.state === "done" && (
          <>
            {call.value.value === undefined ? (
              <ScoreBars
                caption="Probability of each label"
                scores={call.value.labels.map((entry, index) => ({ ...entry, chosen: index === 0 }))}
              />
            ) : (
              <p class="answer">{call.value.value.toFixed(3)}</p>
            )}
            <MetaLine meta={call.value.meta} />
          </>
        )}
      </div>
    </>
  );
}
