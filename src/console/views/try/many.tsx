import { useEffect, useState } from "preact/hooks";
import { VersionState } from "../../../gen/albert/v1/models_pb.js";
import { models as versionsOf } from "../../api.ts";
import { classifyMany, type ManyAnswer, shortAnswer } from "../../parts/calls/classify-many.ts";
import { everyPage } from "../../parts/calls/every-page.ts";
import { useCall } from "../../parts/calls/use-call.ts";
import { Workbench } from "../../parts/calls/workbench.tsx";
import { Download } from "../../parts/download.tsx";
import { LongList } from "../../parts/long-list.tsx";
import { ModelSelect } from "../../parts/model-select.tsx";
import { TextsField } from "../../parts/texts-field.tsx";
import { csvOf } from "../../parts/words/texts-of.ts";

/** States in which a version can be asked by its number. */
const IN_MEMORY: ReadonlySet<VersionState> = new Set([
  VersionState.STANDBY,
  VersionState.SERVING,
  VersionState.SHADOW,
  VersionState.CANARY,
]);

interface Asked {
  readonly models: readonly string[];
  /** The answers of each model, in its order. */
  readonly answers: readonly (readonly ManyAnswer[])[];
}

/** Many texts at once, by one model or by two side by side; the results are a table to take away. */
export function ManyForm({ models }: { readonly models: readonly string[] }) {
  const [model, setModel] = useState(models[0]!);
  const [other, setOther] = useState("");
  const [texts, setTexts] = useState<readonly string[]>([]);
  const [done, setDone] = useState(0);
  const [versions, readVersions] = useCall(async (signal) => {
    const { items } = await everyPage(
      (page) => versionsOf.listVersions(page, { signal }),
      (reply) => reply.versions,
    );
    return items.filter(({ state }) => IN_MEMORY.has(state)).map((one) => `${one.model}@${one.version}`);
  });
  // Without a store there are none to choose from besides the models.
  useEffect(() => void readVersions(), [readVersions]);
  const choices = [
    ...models,
    ...(versions.state === "done" ? versions.value.filter((name) => models.includes(name.split("@", 1)[0]!)) : []),
  ];
  const [call, ask] = useCall(async (signal): Promise<Asked> => {
    setDone(0);
    const asked = other === "" ? [model] : [model, other];
    const answers: ManyAnswer[][] = [];
    for (const [i, one] of asked.entries()) {
      answers.push(await classifyMany(one, texts, signal, (count) => setDone(i * texts.length + count)));
    }
    return { models: asked, answers };
  });
  const total = texts.length * (other === "" ? 1 : 2);
  return (
    <Workbench
      action="Classify all"
      call={call}
      onSubmit={() => {
        if (texts.length > 0) void ask();
      }}
      show={(asked) => <Results asked={asked} />}
    >
      <div class="row">
        <ModelSelect models={choices} value={model} onChange={setModel} />
        <label>
          Also ask <small>side by side</small>
          <select value={other} onChange={(event) => setOther(event.currentTarget.value)}>
            <option value="">nobody</option>
            {choices
              .filter((name) => name !== model)
              .map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
          </select>
        </label>
      </div>
      <TextsField texts={texts} onChange={setTexts} />
      {call.state === "running" && <progress aria-label="Answered" value={done} max={Math.max(1, total)} />}
    </Workbench>
  );
}

function Results({ asked: { models, answers } }: { readonly asked: Asked }) {
  const [onlyDifferent, setOnlyDifferent] = useState(false);
  const [first = [], second] = answers;
  const rows = first.map((answer, i) => {
    const told = [answer, ...(second === undefined ? [] : [second[i]!])].map(shortAnswer);
    return { text: answer.text, told, differs: told.length > 1 && told[0]!.label !== told[1]!.label };
  });
  const shown = onlyDifferent ? rows.filter(({ differs }) => differs) : rows;
  const table = [
    ["text", ...models.flatMap((model) => [model, `${model} sure`])],
    ...rows.map(({ text, told }) => [text, ...told.flatMap(({ label, sure }) => [label, sure])]),
  ];
  return (
    <>
      <p class="answer">
        {rows.length} {rows.length === 1 ? "text" : "texts"}
        {second === undefined ? "" : `, ${rows.filter(({ differs }) => differs).length} answered differently`}
      </p>
      <div class="actions">
        <Download name="answers.csv" type="text/csv" text={() => csvOf(table)}>
          Save as CSV
        </Download>
        {second !== undefined && (
          <label class="check">
            <input
              type="checkbox"
              checked={onlyDifferent}
              onChange={(event) => setOnlyDifferent(event.currentTarget.checked)}
            />
            Only those answered differently
          </label>
        )}
      </div>
      <LongList items={shown} className="many-answers" label="Answers" rowHeight={52}>
        {({ text, told, differs }, i) => (
          <li key={i} class={differs ? "differs" : ""}>
            <span>{text}</span>
            {told.map(({ label, sure }, column) => (
              <span key={models[column]}>
                <b>{label}</b> <span class="muted">{sure}</span>
              </span>
            ))}
          </li>
        )}
      </LongList>
    </>
  );
}
