import { useEffect, useState } from "preact/hooks";
import type { ListAnswersResponse } from "../../../gen/albert/v1/models_pb.js";
import { models } from "../../api.ts";
import { everyPage } from "../../parts/calls/every-page.ts";
import { Problems } from "../../parts/calls/problems.tsx";
import { useCall } from "../../parts/calls/use-call.ts";
import { ModelSelect } from "../../parts/model-select.tsx";
import { addressParameters, hrefOf, keepInAddress } from "../../parts/words/address.ts";
import { Judging } from "./judging.tsx";
import type { JudgedItem, Sitting } from "./sitting.ts";

/** Answers that the server gave to its callers and keeps to be judged. What is said of each goes to the store at once. */
export function ServedAnswers({ names }: { readonly names: readonly string[] }) {
  const [model, setModel] = useState(() => {
    const asked = addressParameters().get("model") ?? "";
    return names.includes(asked) ? asked : names[0]!;
  });
  const choose = (next: string) => {
    setModel(next);
    keepInAddress("feedback", { from: "callers", model: next });
  };
  const [sitting, setSitting] = useState<Sitting | undefined>(undefined);
  const [call, read] = useCall(async (signal, of: string) => {
    const { items, last } = await everyPage(
      (page) => models.listAnswers({ model: of, ...page }, { signal }),
      ({ answers }) => answers,
    );
    setSitting({
      model: of,
      labels: items[0]?.labels ?? [],
      items: items.map(({ id, text, textPair, label, probability, margin, labels }) => ({
        ...{ id, label, margin, labels, score: probability },
        text: textPair === undefined ? text : `${text}\n${textPair}`,
      })),
    });
    return last;
  });
  const [judging, judge] = useCall((signal, item: JudgedItem, right: string | null) =>
    models.judgeAnswer(
      {
        model,
        answerId: item.id ?? "",
        verdict: right === null ? { case: "skip", value: true } : { case: "label", value: right },
      },
      { signal },
    ),
  );
  useEffect(() => void read(model), [read, model]);
  const said = call.state === "done" ? call.value : undefined;
  return (
    <section class="card" aria-label={`Answers of ${model}`}>
      <ModelSelect models={names} value={model} onChange={choose} />
      {call.state === "failed" && <Problems problems={call.problems} />}
      {said !== undefined && !said.keeping && (
        <p class="empty">
          This server keeps no answers. Started with <code>--feedback-answers 1000</code> it keeps, in its memory, the
          texts that it is least sure of, for people to judge here.
        </p>
      )}
      {said?.keeping && sitting !== undefined && sitting.items.length === 0 && (
        <p class="empty">No answer of {model} waits to be judged. They come as callers ask.</p>
      )}
      {sitting !== undefined && sitting.items.length > 0 && (
        <Judging
          key={sitting.model}
          sitting={sitting}
          onChange={setSitting}
          onJudge={(item, right) => judge(item, right)}
          onEnd={() => void read(model)}
          end="Look for more"
        />
      )}
      {judging.state === "failed" && <Problems problems={judging.problems} />}
      {said !== undefined && <Judged model={model} before={said} now={judgedIn(sitting)} />}
    </section>
  );
}

function judgedIn(sitting: Sitting | undefined): number {
  return sitting?.items.filter(({ right }) => typeof right === "string").length ?? 0;
}

/** What was judged so far, by whomever, and the way to a data set. */
function Judged({
  model,
  before: { judged, accuracies },
  now,
}: {
  readonly model: string;
  readonly before: ListAnswersResponse;
  readonly now: number;
}) {
  const [call, store] = useCall((signal) => models.storeJudgements({ model }, { signal }));
  const share = (value: number) => `${(100 * value).toFixed(0)} %`;
  return (
    <div class="become-data">
      {accuracies.map(({ version, judged: of, right, low, high }) => (
        <p key={version} class="muted">
          Version {version} was right in {right} of {of} answers judged before ({share(low)} to {share(high)}); they are
          those it was least sure of.
        </p>
      ))}
      {judged + now > 0 && (
        <div class="actions">
          <button type="button" aria-busy={call.state === "running"} onClick={() => void store()}>
            Store all {judged + now} judged as a data set
          </button>
        </div>
      )}
      <div aria-live="polite">
        {call.state === "failed" && <Problems problems={call.problems} />}
        {call.state === "done" && (
          <p class="notice good">
            Stored {call.value.rows} rows as {call.value.name}, {call.value.digest.slice(0, 12)}.{" "}
            <a href={hrefOf("jobs", { model, train: call.value.digest })}>Teach {model} from it</a>
          </p>
        )}
      </div>
    </div>
  );
}
