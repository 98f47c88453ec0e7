import { useEffect, useRef, useState } from "preact/hooks";
import { HeadKind, type ModelInfo, ProblemType } from "../../gen/albert/v1/inference_pb.js";
import { inference } from "../api.ts";
import { classifyMany } from "../parts/calls/classify-many.ts";
import { Loaded } from "../parts/calls/loaded.tsx";
import { Problems } from "../parts/calls/problems.tsx";
import { useCall } from "../parts/calls/use-call.ts";
import { ModelSelect } from "../parts/model-select.tsx";
import { TextsField } from "../parts/texts-field.tsx";
import { addressParameters, keepInAddress } from "../parts/words/address.ts";
import { Judging } from "./feedback/judging.tsx";
import { ServedAnswers } from "./feedback/served-answers.tsx";
import { keepJudged, leastSureFirst, readJudged, type Sitting } from "./feedback/sitting.ts";

/** The labels of a model that gives each text one of them; undefined for others. */
function labelsOf({ heads }: ModelInfo): readonly string[] | undefined {
  const single = heads.find(
    ({ kind, problemType }) => kind === HeadKind.CLASSIFICATION && problemType === ProblemType.SINGLE_LABEL,
  );
  return single?.labels;
}

/** Answers of a model to a person's own texts, to be judged one after the other, least sure first; what was judged becomes a data set. */
export function FeedbackView() {
  return (
    <Loaded what="models" read={(signal) => inference.listModels({}, { signal })}>
      {({ models }) => {
        const able = models.filter((model) => labelsOf(model) !== undefined);
        return able.length === 0 ? (
          <p class="card empty">
            No model that serves now sorts texts into labels, so there are no answers to judge. Teach one under{" "}
            <a href="#/jobs">Jobs</a>.
          </p>
        ) : (
          <Sources models={able} />
        );
      }}
    </Loaded>
  );
}

/** Where the answers come from. */
function Sources({ models }: { readonly models: readonly ModelInfo[] }) {
  const [from, setFrom] = useState(() => addressParameters().get("from") ?? "texts");
  const choose = (next: string) => {
    setFrom(next);
    keepInAddress("feedback", { from: next });
  };
  return (
    <>
      <fieldset class="tabs">
        <legend class="visually-hidden">Which answers</legend>
        <button type="button" aria-pressed={from !== "callers"} onClick={() => choose("texts")}>
          Texts of your own
        </button>
        <button type="button" aria-pressed={from === "callers"} onClick={() => choose("callers")}>
          Answers to callers
        </button>
      </fieldset>
      {from === "callers" ? <ServedAnswers names={models.map(({ name }) => name)} /> : <Feedback models={models} />}
    </>
  );
}

function Feedback({ models }: { readonly models: readonly ModelInfo[] }) {
  const names = models.map(({ name }) => name);
  const [sitting, setSitting] = useState<Sitting | undefined>(readJudged);
  const [model, setModel] = useState(sitting?.model ?? names[0]!);
  const [texts, setTexts] = useState<readonly string[]>([]);
  const [done, setDone] = useState(0);
  const keep = (next: Sitting | undefined) => {
    setSitting(next);
    keepJudged(next);
  };
  const [call, ask] = useCall(async (signal) => {
    setDone(0);
    const labels = labelsOf(models.find(({ name }) => name === model)!) ?? [];
    const distinct = [...new Set(texts)];
    const answers = await classifyMany(model, distinct, signal, setDone);
    const next = { model, labels, items: leastSureFirst(answers) };
    keep(next);
    return { failed: distinct.length - next.items.length };
  });
  const card = useRef<HTMLElement>(null);
  useEffect(() => {
    if (sitting !== undefined) card.current?.focus();
  }, [sitting === undefined]);
  if (sitting !== undefined) {
    return (
      <section ref={card} class="card" tabIndex={-1} aria-label={`Answers of ${sitting.model}`}>
        <Judging sitting={sitting} onChange={keep} onEnd={() => keep(undefined)} />
      </section>
    );
  }
  return (
    <form
      class="card"
      onSubmit={(event) => {
        event.preventDefault();
        if (texts.length > 0) void ask();
      }}
    >
      <p class="muted">
        Bring texts like those that the model meets: a day's tickets, a log. It answers them, and you judge the answers
        it is least sure of first. That is where a correction teaches most.
      </p>
      <ModelSelect models={names} value={model} onChange={setModel} />
      <TextsField texts={texts} onChange={setTexts} />
      <div class="actions">
        <button type="submit" disabled={texts.length === 0} aria-busy={call.state === "running"}>
          Answer them
        </button>
      </div>
      <div aria-live="polite">
        {call.state === "running" && <progress aria-label="Answered" value={done} max={Math.max(1, texts.length)} />}
        {call.state === "failed" && <Problems problems={call.problems} />}
      </div>
    </form>
  );
}
