import { useState } from "preact/hooks";
import type { ClassifyResponse } from "../../../gen/albert/v1/inference_pb.js";
import { inference } from "../../api.ts";
import { useCall } from "../../parts/calls/use-call.ts";
import { Workbench } from "../../parts/calls/workbench.tsx";
import { ScoreBars } from "../../parts/charts/score-bars.tsx";
import { Examples } from "../../parts/examples.tsx";
import { MetaLine } from "../../parts/meta-line.tsx";
import { ModelSelect } from "../../parts/model-select.tsx";
import { Pieces } from "../../parts/pieces.tsx";
import { Snippets } from "../../parts/snippets.tsx";
import { linesOf } from "../../parts/words/lines-of.ts";

const EXAMPLES = [
  ["praise", "A gripping film with a wonderful cast."],
  ["a pan", "Two hours of my life that I will never get back."],
  ["mixed", "The story is thin, but the pictures are beautiful."],
] as const;

const TEMPLATE = "This text is about {label}.";

/** One text, or a pair, and the probabilities of its labels: the model's, or a person's own. */
export function ClassifyForm({
  models,
  judges,
}: {
  readonly models: readonly string[];
  /** Those of the models that take labels of one's own. */
  readonly judges: readonly string[];
}) {
  // A model called sentiment understands the examples; others come first only by their name.
  const [model, setModel] = useState(models.find((name) => name === "sentiment") ?? models[0]!);
  const [text, setText] = useState<string>(EXAMPLES[0][1]);
  const [pair, setPair] = useState("");
  const [own, setOwn] = useState({ labels: "", template: TEMPLATE, several: false });
  const candidateLabels = judges.includes(model) ? linesOf(own.labels) : [];
  const withOwn = candidateLabels.length > 0;
  const [call, classify] = useCall(async (signal) => {
    const asked = { options: { model }, text, ...(pair === "" || withOwn ? {} : { textPair: pair }) };
    const options = { signal, timeoutMs: 20_000 };
    const judged = withOwn ? { candidateLabels, multiLabel: own.several, hypothesisTemplate: own.template } : {};
    const [reply, { tokens }] = await Promise.all([
      inference.classify({ ...asked, ...judged }, options),
      inference.tokenize(asked, options),
    ]);
    return { reply, tokens, body: { ...asked, ...judged } };
  });
  return (
    <Workbench
      action="Classify"
      call={call}
      onSubmit={() => void classify()}
      show={({ reply, tokens, body }) => (
        <>
          <Labels reply={reply} />
          <Pieces tokens={tokens} />
          <MetaLine meta={reply.meta} />
          <Snippets method="Classify" body={body} />
        </>
      )}
    >
      <ModelSelect models={models} value={model} onChange={setModel} />
      <label>
        Text
        <textarea value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <Examples examples={EXAMPLES} onChoose={setText} />
      {judges.includes(model) && <OwnLabels own={own} onChange={setOwn} />}
      {!withOwn && (
        <label>
          Second text <small>for models of text pairs</small>
          <input value={pair} onInput={(event) => setPair(event.currentTarget.value)} />
        </label>
      )}
    </Workbench>
  );
}

interface OwnLabelsInput {
  readonly labels: string;
  readonly template: string;
  readonly several: boolean;
}

/** Labels of a person's own, and what each says of the text. */
function OwnLabels({
  own,
  onChange,
}: {
  readonly own: OwnLabelsInput;
  readonly onChange: (own: OwnLabelsInput) => void;
}) {
  return (
    <>
      <label>
        Your own labels <small>one a line, up to 64</small>
        <textarea
          rows={4}
          placeholder={"politics\nsport\nfilm"}
          value={own.labels}
          onInput={(event) => onChange({ ...own, labels: event.currentTarget.value })}
        />
      </label>
      {linesOf(own.labels).length > 0 && (
        <>
          <label>
            What each says of the text <small>with {"{label}"} in its place</small>
            <input
              value={own.template}
              onInput={(event) => onChange({ ...own, template: event.currentTarget.value })}
            />
          </label>
          <label class="check">
            <input
              type="checkbox"
              checked={own.several}
              onChange={(event) => onChange({ ...own, several: event.currentTarget.checked })}
            />
            Several may be true
          </label>
        </>
      )}
    </>
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
