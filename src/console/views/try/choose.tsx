import { useState } from "preact/hooks";
import { inference } from "../../api.ts";
import { useCall } from "../../parts/calls/use-call.ts";
import { Workbench } from "../../parts/calls/workbench.tsx";
import { ScoreBars } from "../../parts/charts/score-bars.tsx";
import { MetaLine } from "../../parts/meta-line.tsx";
import { ModelSelect } from "../../parts/model-select.tsx";
import { Snippets } from "../../parts/snippets.tsx";
import { linesOf } from "../../parts/words/lines-of.ts";

/** A question about a passage, and several answers of which one is best. */
export function ChooseForm({ models }: { readonly models: readonly string[] }) {
  const [model, setModel] = useState(models[0]!);
  const [question, setQuestion] = useState("Why did Mary stay at home?");
  const [context, setContext] = useState(
    "It rained all day on Saturday. Mary wanted to play in the park, but the rain did not stop, so she read a book at home.",
  );
  const [choices, setChoices] = useState(
    "Because it was raining.\nBecause she was ill.\nBecause the park was closed.\nBecause she had no friends.",
  );
  const lines = linesOf(choices);
  const [call, choose] = useCall(async (signal) => {
    const asked = lines;
    const reply = await inference.chooseAnswer(
      { options: { model }, question, context, choices: asked },
      { signal, timeoutMs: 20_000 },
    );
    return { reply, asked, body: { options: { model }, question, context, choices: asked } };
  });
  return (
    <Workbench
      action="Choose"
      call={call}
      onSubmit={() => void choose()}
      show={({ reply, asked, body }) => (
        <>
          <p class="answer">{asked[reply.index]}</p>
          <ScoreBars
            caption="Probability of each choice"
            scores={reply.choices.map((choice, index) => ({
              label: asked[index] ?? "",
              score: choice.score,
              chosen: index === reply.index,
            }))}
          />
          <MetaLine meta={reply.meta} />
          <Snippets method="ChooseAnswer" body={body} />
        </>
      )}
    >
      <ModelSelect models={models} value={model} onChange={setModel} />
      <label>
        Passage
        <textarea value={context} onInput={(event) => setContext(event.currentTarget.value)} />
      </label>
      <label>
        Question
        <input value={question} onInput={(event) => setQuestion(event.currentTarget.value)} />
      </label>
      <label>
        Choices <small>one a line, 2 to 64</small>
        <textarea rows={4} value={choices} onInput={(event) => setChoices(event.currentTarget.value)} />
      </label>
    </Workbench>
  );
}
