import { useState } from "preact/hooks";
import type { ClassifyResponse } from "../../gen/albert/v1/inference_pb.js";
import { inference } from "../api.ts";
import { Examples } from "../parts/examples.tsx";
import { MetaLine } from "../parts/meta-line.tsx";
import { ModelSelect } from "../parts/model-select.tsx";
import { Pieces } from "../parts/pieces.tsx";
import { ScoreBars } from "../parts/score-bars.tsx";
import { useCall } from "../parts/use-call.ts";
import { Workbench } from "../parts/workbench.tsx";

const EXAMPLES = [
  ["praise", "A gripping film with a wonderful cast."],
  ["a pan", "Two hours of my life that I will never get back."],
  ["mixed", "The story is thin, but the pictures are beautiful."],
] as const;

/** One text, or a pair, and the probabilities of its labels. */
export function ClassifyForm({ models }: { readonly models: readonly string[] }) {
  // A model called sentiment understands the examples; others come first only by their name.
  const [model, setModel] = useState(models.find((name) => name === "sentiment") ?? models[0]!);
  const [text, setText] = useState<string>(EXAMPLES[0][1]);
  const [pair, setPair] = useState("");
  const [call, classify] = useCall(async (signal) => {
    const asked = { options: { model }, text, ...(pair === "" ? {} : { textPair: pair }) };
    const options = { signal, timeoutMs: 20_000 };
    const [reply, { tokens }] = await Promise.all([
      inference.classify(asked, options),
      inference.tokenize(asked, options),
    ]);
    return { reply, tokens };
  });
  return (
    <Workbench
      action="Classify"
      call={call}
      onSubmit={() => void classify()}
      show={({ reply, tokens }) => (
        <>
          <Labels reply={reply} />
          <Pieces tokens={tokens} />
          <MetaLine meta={reply.meta} />
        </>
      )}
    >
      <ModelSelect models={models} value={model} onChange={setModel} />
      <label>
        Text
        <textarea value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <Examples examples={EXAMPLES} onChoose={setText} />
      <label>
        Second text <small>for models of text pairs</small>
        <input value={pair} onInput={(event) => setPair(event.currentTarget.value)} />
      </label>
    </Workbench>
  );
}

function Labels({ reply }: { readonly reply: ClassifyResponse }) {
  if (reply.value !== undefined) return <p class="answer">{reply.value.toFixed(3)}</p>;
  const best = reply.labels[0];
  if (best === undefined) return <p class="answer">No label reaches the threshold.</p>;
  return (
    <>
      <p class="answer">{best.label}</p>
      <ScoreBars
        caption="Probability of each label"
        scores={reply.labels.map((entry, index) => ({ ...entry, chosen: index === 0 }))}
      />
    </>
  );
}
