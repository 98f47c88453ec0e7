import { useState } from "preact/hooks";
import { type AnswerQuestionResponse, OffsetUnit } from "../../../gen/albert/v1/inference_pb.js";
import { inference } from "../../api.ts";
import { useCall } from "../../parts/calls/use-call.ts";
import { Workbench } from "../../parts/calls/workbench.tsx";
import { ScoreBars } from "../../parts/charts/score-bars.tsx";
import { Examples } from "../../parts/examples.tsx";
import { MetaLine } from "../../parts/meta-line.tsx";
import { ModelSelect } from "../../parts/model-select.tsx";
import { Snippets } from "../../parts/snippets.tsx";

const CONTEXT =
  "The harbour has had three lighthouses. The first lighthouse was built by John Smeaton in 1759, and burned down a century later. The present tower was finished in 1882.";

const EXAMPLES = [
  ["who", "Who built the first lighthouse?"],
  ["when", "When was the present tower finished?"],
  ["how many", "How many lighthouses has the harbour had?"],
] as const;

/** A question, a document, and the answer marked where it stands. */
export function AskForm({ models }: { readonly models: readonly string[] }) {
  const [model, setModel] = useState(models[0]!);
  const [question, setQuestion] = useState<string>(EXAMPLES[0][1]);
  const [context, setContext] = useState(CONTEXT);
  const [call, ask] = useCall(async (signal) => {
    const asked = context;
    const reply = await inference.answerQuestion(
      { options: { model }, question, context: asked, nBest: 3, offsetUnit: OffsetUnit.UTF16 },
      { signal, timeoutMs: 20_000 },
    );
    return { reply, asked, body: { options: { model }, question, context: asked, nBest: 3 } };
  });
  return (
    <Workbench
      action="Find the answer"
      call={call}
      onSubmit={() => void ask()}
      show={({ reply, asked, body }) => (
        <>
          <Found reply={reply} context={asked} />
          <Snippets method="AnswerQuestion" body={body} />
        </>
      )}
    >
      <ModelSelect models={models} value={model} onChange={setModel} />
      <label>
        Question
        <input value={question} onInput={(event) => setQuestion(event.currentTarget.value)} />
      </label>
      <Examples
        examples={EXAMPLES}
        onChoose={(chosen) => {
          setQuestion(chosen);
          setContext(CONTEXT);
        }}
      />
      <label>
        Document
        <textarea rows={7} value={context} onInput={(event) => setContext(event.currentTarget.value)} />
      </label>
    </Workbench>
  );
}

function Found({ reply, context }: { readonly reply: AnswerQuestionResponse; readonly context: string }) {
  const best = reply.answers[0];
  if (best === undefined || !reply.answerable) {
    return (
      <>
        <p class="answer">The document does not seem to answer this.</p>
        <MetaLine meta={reply.meta} />
      </>
    );
  }
  return (
    <>
      <p class="answer">{best.text}</p>
      <p class="context">
        {context.slice(0, best.start)}
        <mark>{context.slice(best.start, best.end)}</mark>
        {context.slice(best.end)}
      </p>
      <ScoreBars
        caption="Probability of each answer"
        scores={reply.answers.map((answer, index) => ({
          label: answer.text,
          score: answer.score,
          chosen: index === 0,
        }))}
      />
      <MetaLine meta={reply.meta} />
    </>
  );
}
