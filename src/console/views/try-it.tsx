import { useState } from "preact/hooks";
import { HeadKind, type ModelInfo } from "../../gen/albert/v1/inference_pb.js";
import { inference } from "../api.ts";
import { Loaded } from "../parts/calls/loaded.tsx";
import { AskForm } from "./try/ask.tsx";
import { ChooseForm } from "./try/choose.tsx";
import { ClassifyForm } from "./try/classify.tsx";
import { ManyForm } from "./try/many.tsx";

const TASKS = [
  { name: "Classify", form: ClassifyForm, kinds: [HeadKind.CLASSIFICATION] },
  { name: "Classify many", form: ManyForm, kinds: [HeadKind.CLASSIFICATION] },
  { name: "Ask a document", form: AskForm, kinds: [HeadKind.SPAN, HeadKind.SPAN_ANSWERABILITY] },
  { name: "Choose an answer", form: ChooseForm, kinds: [HeadKind.MULTIPLE_CHOICE] },
] as const;

/** The models that have a head of one of these kinds. */
function modelsFor(all: readonly ModelInfo[], kinds: readonly HeadKind[]): ModelInfo[] {
  return all.filter((model) => model.heads.some((head) => kinds.includes(head.kind)));
}

/** Asks the serving models: a text's labels, a document's answer, the best of several choices. */
export function TryItView() {
  return (
    <Loaded what="models" read={(signal) => inference.listModels({}, { signal })}>
      {({ models }) => <TryIt all={models} />}
    </Loaded>
  );
}

function TryIt({ all }: { readonly all: readonly ModelInfo[] }) {
  const [task, setTask] = useState<(typeof TASKS)[number]>(TASKS[0]);
  const able = modelsFor(all, task.kinds);
  const names = able.map(({ name }) => name);
  const judges = able.filter(({ heads }) => heads.some((head) => head.takesCandidateLabels)).map(({ name }) => name);
  const Form = task.form;
  return (
    <>
      <fieldset class="tabs">
        <legend class="visually-hidden">Task</legend>
        {TASKS.map((entry) => (
          <button key={entry.name} type="button" aria-pressed={entry === task} onClick={() => setTask(entry)}>
            {entry.name}
          </button>
        ))}
      </fieldset>
      {names.length === 0 ? (
        <p class="card empty">No model that serves now can do this.</p>
      ) : (
        <Form key={task.name} models={names} judges={judges} />
      )}
    </>
  );
}
