import { useEffect, useState } from "preact/hooks";
import type { Dataset, ListRowsResponse } from "../../../gen/albert/v1/training_pb.js";
import { datasets } from "../../api.ts";
import { Loaded } from "../../parts/calls/loaded.tsx";
import { Problems } from "../../parts/calls/problems.tsx";
import { useCall } from "../../parts/calls/use-call.ts";
import { LabelBars } from "../../parts/data/label-bars.tsx";
import { LengthBars } from "../../parts/data/length-bars.tsx";
import { ProblemList } from "../../parts/data/problem-list.tsx";
import { type Reading, readingInAddress, readingOf, recipeOfReading } from "../../parts/data/reading.ts";
import { ReadingFields } from "../../parts/data/reading-fields.tsx";
import { addressParameters, hrefOf, keepInAddress } from "../../parts/words/address.ts";
import { keepPending, readPending } from "./kept-pending.ts";
import { countOf, editsOf, inWords, NOTHING, type Pending } from "./pending.ts";
import { type RowFilter, RowList } from "./row-list.tsx";
import { SplitForm } from "./split-form.tsx";

/** One data set: how it is read, its labels, lengths and problems, its rows, and what of them is to be mended. */
export function DataSet({ digest, all }: { readonly digest: string; readonly all: readonly Dataset[] }) {
  const known = all.find((one) => one.digest.startsWith(digest));
  const [reading, setReading] = useState(() => readingOf(addressParameters()));
  return (
    <>
      <p class="crumbs">
        <a href={hrefOf("data")}>All data</a>
      </p>
      <section class="card" aria-label="What it is">
        <div class="card-head">
          <h2>{known?.name ?? digest.slice(0, 12)}</h2>
          <code class="muted">{digest.slice(0, 12)}</code>
          <a class="card-action" href={hrefOf("teach", { data: digest, ...readingInAddress(reading) })}>
            Teach a model from it
          </a>
        </div>
        {known !== undefined && known.madeBy !== "" && (
          <p class="muted">
            Made of{" "}
            <a href={hrefOf("data", { of: known.origin, ...readingInAddress(reading) })}>
              {all.find((one) => one.digest === known.origin)?.name ?? known.origin.slice(0, 12)}
            </a>
            : {known.madeBy}.
          </p>
        )}
        <div class="reading">
          <Loaded
            key={reading.separator}
            what="the first rows"
            read={(signal) =>
              datasets.listRows(
                { source: { dataset: digest }, recipe: recipeOfReading({ ...reading, columns: "" }), pageSize: 1 },
                { signal },
              )
            }
          >
            {(file: ListRowsResponse) => (
              <ReadingFields
                reading={reading}
                file={file}
                onChange={(next) => {
                  setReading(next);
                  keepInAddress("data", { of: digest, ...readingInAddress(next) });
                }}
              />
            )}
          </Loaded>
        </div>
      </section>
      <Contents key={JSON.stringify(reading)} digest={digest} reading={reading} />
    </>
  );
}

function Contents({ digest, reading }: { readonly digest: string; readonly reading: Reading }) {
  const [filter, setFilter] = useState<RowFilter>(() => {
    const parameters = addressParameters();
    const of = (name: string) => parameters.get(name) ?? "";
    return { problem: of("problem"), label: of("label"), text: of("q") };
  });
  const [pending, setPending] = useState(() => readPending(digest));
  const change = (next: Pending) => {
    setPending(next);
    keepPending(digest, next);
  };
  const show = (next: Partial<RowFilter>) => {
    const all = { problem: "", label: "", text: "", ...next };
    setFilter(all);
    keepInAddress("data", {
      ...{ of: digest, ...readingInAddress(reading) },
      ...{ problem: all.problem, label: all.label, q: all.text },
    });
    document.getElementById("rows-heading")?.scrollIntoView({ block: "nearest" });
  };
  const [typed, setTyped] = useState(filter.text);
  const [check, validate] = useCall((signal) =>
    datasets.validateDataset(
      { source: { dataset: digest }, task: reading.task, recipe: recipeOfReading(reading) },
      { signal },
    ),
  );
  useEffect(() => void validate(), [validate]);
  if (check.state === "failed") return <Problems problems={check.problems} />;
  const report = check.state === "done" ? check.value : undefined;
  const labels = report?.labelCounts.map(({ label }) => label) ?? [];
  const isOwnLabels = reading.task === "classification";
  return (
    <>
      <div class="bench data-summary">
        <section class="card" aria-labelledby="labels-heading">
          <h2 id="labels-heading">Labels and lengths</h2>
          {report === undefined ? (
            <p class="muted">Reading every row …</p>
          ) : (
            <>
              <LabelBars
                counts={report.labelCounts}
                {...(isOwnLabels
                  ? {
                      onShow: (label: string) => show({ label }),
                      onRename: (from: string, to: string) =>
                        change({ ...pending, labels: [...pending.labels.filter(([old]) => old !== from), [from, to]] }),
                    }
                  : {})}
              />
              <LengthBars bins={report.lengths} />
            </>
          )}
        </section>
        <section class="card" aria-labelledby="problems-heading">
          <h2 id="problems-heading">What is wrong</h2>
          {report === undefined ? (
            <p class="muted">Reading every row …</p>
          ) : (
            <ProblemList
              report={report}
              onShow={(problem) => show({ problem })}
              onLeaveOut={(kind) =>
                change({ ...pending, problems: [...pending.problems.filter((one) => one !== kind), kind] })
              }
            />
          )}
        </section>
      </div>
      {countOf(pending) > 0 && <Store digest={digest} reading={reading} pending={pending} onChange={change} />}
      {report !== undefined && <SplitForm digest={digest} reading={reading} />}
      {report !== undefined && (
        <section class="card" aria-labelledby="rows-heading">
          <h2 id="rows-heading">Rows</h2>
          <form
            class="row"
            onSubmit={(event) => {
              event.preventDefault();
              show({ ...filter, text: typed });
            }}
          >
            <label>
              Show
              <select
                value={
                  filter.problem !== ""
                    ? `problem ${filter.problem}`
                    : filter.label !== ""
                      ? `label ${filter.label}`
                      : ""
                }
                onChange={(event) => {
                  const [, kind, what = ""] = /^(\w+) (.*)$/s.exec(event.currentTarget.value) ?? [];
                  show({ text: filter.text, ...(kind === "problem" ? { problem: what } : { label: what }) });
                }}
              >
                <option value="">all rows</option>
                <option value="problem any">rows with an error or a warning</option>
                {report.issues.map(({ kind }) => (
                  <option key={kind} value={`problem ${kind}`}>
                    {kind.replaceAll("-", " ")}
                  </option>
                ))}
                {labels.map((label) => (
                  <option key={label} value={`label ${label}`}>
                    labelled {label}
                  </option>
                ))}
              </select>
            </label>
            <label>
              Find <small>press Enter</small>
              <input type="search" value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />
            </label>
          </form>
          <RowList
            key={JSON.stringify(filter)}
            digest={digest}
            reading={reading}
            filter={filter}
            labels={labels}
            pending={pending}
            onPending={change}
          />
        </section>
      )}
    </>
  );
}

/** What is to be changed, and the way to a new data set. */
function Store({
  digest,
  reading,
  pending,
  onChange,
}: {
  readonly digest: string;
  readonly reading: Reading;
  readonly pending: Pending;
  readonly onChange: (pending: Pending) => void;
}) {
  const [call, store] = useCall(async (signal) => {
    const { dataset } = await datasets.editDataset(
      {
        ...{ source: { dataset: digest }, task: reading.task, recipe: recipeOfReading(reading) },
        ...editsOf(pending),
      },
      { signal },
    );
    onChange(NOTHING);
    window.location.hash = hrefOf("data", { of: dataset!.digest, ...readingInAddress(reading) });
  });
  return (
    <section class="card pending" aria-label="Changes">
      <p role="status">{inWords(pending)}.</p>
      <div class="actions">
        <button type="button" aria-busy={call.state === "running"} onClick={() => void store()}>
          Store as a new data set
        </button>
        <button type="button" class="quiet" onClick={() => onChange(NOTHING)}>
          Undo all
        </button>
        <span class="muted">The old one stays as it is.</span>
      </div>
      {call.state === "failed" && <Problems problems={call.problems} />}
    </section>
  );
}
