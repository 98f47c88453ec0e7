import { useState } from "preact/hooks";
import { type AnswerQuestionResponse, OffsetUnit } from "../../gen/albert/v1/inference_pb.js";
import { inference } from "../api.ts";
import { MetaLine } from "../parts/meta-line.tsx";
import { ModelSelect } from "../parts/model-select.tsx";
import { Problems } from "../parts/problems.tsx";
import { ScoreBars } from "../parts/score-bars.tsx";
import { useCall } from "../parts/use-call.ts";

const EXAMPLE = {
  question: "Who built the first lighthouse?",
  context:
    "The harbour has had three lighthouses. The first lighthouse was built by John Smeaton in 1759, and burned down a century later. The present tower was finished in 1882.",
};

/** A question, a document, and the answer marked where it stands. */
export function AskForm({ models }: { readonly models: readonly string[] }) {
  const [model, setModel] = useState(models[0]!);
  const [question, setQuestion] = useState(EXAMPLE.question);
  const [context, setContext] = useState(EXAMPLE.context);
  const [call, ask] = useCall(async (signal) => {
    const asked = context;
    const reply = await inference.answerQuestion(
      { options: { model }, question, context: asked, nBest: 3, offsetUnit: OffsetUnit.UTF16 },
      { signal, timeoutMs: 20_000 },
    );
    return { reply, asked };
  });
  return (
    <>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void ask();
        }}
      >
        <ModelSelect models={models} value={model} onChange={setModel} />
        <label>
          Question
          <input value={question} onInput={(event) => setQuestion(event.currentTarget.value)} />
        </label>
        <label>
          Document
          <textarea rows={8} value={context} onInput={(event) => setContext(event.currentTarget.value)} />
        </label>
        <button type="submit" disabled={call.state === "running"}>
          Find the answer
        </button>
      </form>
      <div class="result" aria-live="polite">
        {call.state === "failed" && <Problems problems={call.problems} />}
        {call.state === "done" && <Found reply={call.value.reply} context={call.value.asked} />}
      </div>
    </>
  );
}

function Found({ reply, context }: { readonly reply: AnswerQuestionResponse; readonly context: string }) {
  const best = reply.answers[0];
  if (best === undefined || !reply.answerable) return <p class="answer">The document does not seem to answer this.</p>;
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
