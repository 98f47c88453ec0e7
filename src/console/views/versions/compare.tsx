import { useEffect, useState } from "preact/hooks";
import {
  BetterVersion,
  type ChangedAnswer,
  type ComparedVersion,
  type CompareVersionsResponse,
} from "../../../gen/albert/v1/models_pb.js";
import { figureName, figureText } from "../../../report/render/number-text.ts";
import { datasets, models } from "../../api.ts";
import { everyPage } from "../../parts/calls/every-page.ts";
import { Loaded } from "../../parts/calls/loaded.tsx";
import { useCall } from "../../parts/calls/use-call.ts";
import { Workbench } from "../../parts/calls/workbench.tsx";
import { TaskSelect } from "../../parts/task-select.tsx";
import { hrefOf, keepInAddress } from "../../parts/words/address.ts";

interface Choices {
  readonly versions: readonly string[];
  readonly data: readonly { readonly digest: string; readonly name: string }[];
}

/** Two versions on the same data: which is better, the examples that one of them answers better, and what each costs. */
export function CompareView({ parameters }: { readonly parameters: URLSearchParams }) {
  return (
    <>
      <p class="crumbs">
        <a href={hrefOf("versions")}>All versions</a>
      </p>
      <Loaded
        what="versions and data"
        read={async (signal): Promise<Choices> => {
          const [versions, data] = await Promise.all([
            everyPage(
              (page) => models.listVersions(page, { signal }),
              (reply) => reply.versions,
            ),
            everyPage(
              (page) => datasets.listDatasets(page, { signal }),
              (reply) => reply.datasets,
            ),
          ]);
          return { versions: versions.items.map(({ model, version }) => `${model}@${version}`), data: data.items };
        }}
      >
        {(choices) => <CompareForm choices={choices} parameters={parameters} />}
      </Loaded>
    </>
  );
}

function CompareForm({ choices, parameters }: { readonly choices: Choices; readonly parameters: URLSearchParams }) {
  const [fields, setFields] = useState({
    compare: parameters.get("compare") ?? "",
    with: parameters.get("with") ?? "",
    task: parameters.get("task") ?? "classification",
    data: parameters.get("data") ?? choices.data[0]?.digest ?? "",
  });
  const [asked] = useState(() => parameters.has("data") && parameters.has("task"));
  const set = (change: Partial<typeof fields>) => setFields({ ...fields, ...change });
  const [call, compare] = useCall(async (signal) => {
    keepInAddress("versions", fields);
    const { compare: before, with: after, task, data: dataset } = fields;
    return models.compareVersions({ before, after, task, dataset }, { signal });
  });
  useEffect(() => {
    if (asked) void compare();
  }, [asked, compare]);
  if (choices.data.length === 0) {
    return (
      <p class="card empty">
        Two versions are compared on data, and the store holds none yet. Teach a model from a file under{" "}
        <a href={hrefOf("jobs")}>Jobs</a>, or upload one with <code>albert datasets upload FILE</code>.
      </p>
    );
  }
  return (
    <Workbench
      action="Compare"
      call={call}
      onSubmit={() => void compare()}
      show={(reply) => <Compared reply={reply} />}
    >
      <div class="row">
        <VersionSelect
          label="First"
          versions={choices.versions}
          value={fields.compare}
          onChange={(compared) => set({ compare: compared })}
        />
        <VersionSelect
          label="Second"
          versions={choices.versions}
          value={fields.with}
          onChange={(other) => set({ with: other })}
        />
      </div>
      <TaskSelect value={fields.task} onChange={(task) => set({ task })} />
      <label>
        Data <small>with the right answers</small>
        <select value={fields.data} onChange={(event) => set({ data: event.currentTarget.value })}>
          {choices.data.map(({ digest, name }) => (
            <option key={digest} value={digest}>
              {name} ({digest.slice(0, 8)})
            </option>
          ))}
        </select>
      </label>
    </Workbench>
  );
}

function VersionSelect({
  label,
  versions,
  value,
  onChange,
}: {
  readonly label: string;
  readonly versions: readonly string[];
  readonly value: string;
  readonly onChange: (version: string) => void;
}) {
  return (
    <label>
      {label}
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {!versions.includes(value) && <option value={value}>{value}</option>}
        {versions.map((version) => (
          <option key={version} value={version}>
            {version}
          </option>
        ))}
      </select>
    </label>
  );
}

function Compared({ reply }: { readonly reply: CompareVersionsResponse }) {
  const { before, after, metric, better, findings, fixedRows, fixed, brokenRows, broken } = reply;
  if (before === undefined || after === undefined) return null;
  const winner =
    better === BetterVersion.BEFORE ? before.name : better === BetterVersion.AFTER ? after.name : undefined;
  return (
    <>
      <p class="answer">{winner === undefined ? "No difference shows." : `${winner} is better.`}</p>
      <table class="compared">
        <thead>
          <tr>
            <th scope="col">Version</th>
            <th scope="col">{figureName(metric)}</th>
            <th scope="col">ms an example</th>
            <th scope="col">MB</th>
          </tr>
        </thead>
        <tbody>
          {[before, after].map((one, i) => (
            <ComparedRow key={`${i}-${one.name}`} metric={metric} version={one} />
          ))}
        </tbody>
      </table>
      <ul class="findings">
        {findings.map((finding) => (
          <li key={finding}>{finding}</li>
        ))}
      </ul>
      <Changed heading={`Fixed by ${after.name}`} rows={fixedRows} list={fixed} />
      <Changed heading={`Broken by ${after.name}`} rows={brokenRows} list={broken} />
    </>
  );
}

function ComparedRow({ metric, version }: { readonly metric: string; readonly version: ComparedVersion }) {
  return (
    <tr>
      <th scope="row">
        <a href={hrefOf("versions", { of: version.name })}>{version.name}</a>
      </th>
      <td>{figureText(metric, version.value)}</td>
      <td>{version.millisecondsPerExample.toFixed(2)}</td>
      <td>{(version.bytes / 1e6).toFixed(1)}</td>
    </tr>
  );
}

function Changed({
  heading,
  rows,
  list,
}: {
  readonly heading: string;
  readonly rows: number;
  readonly list: readonly ChangedAnswer[];
}) {
  return (
    <details open={list.length > 0} class="report-part">
      <summary>
        <h3>
          {heading}: {rows}
        </h3>
      </summary>
      {list.length === 0 ? (
        <p class="empty">None.</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        <section class="changed-answers" tabIndex={0} aria-label={heading}>
          <table>
            <caption>
              {list.length < rows ? `The first ${list.length}` : "All of them"}, by their place in the data
            </caption>
            <thead>
              <tr>
                <th scope="col">Where</th>
                <th scope="col" class="text">
                  Text
                </th>
                <th scope="col">Right</th>
                <th scope="col">First</th>
                <th scope="col">Second</th>
              </tr>
            </thead>
            <tbody>
              {list.map(({ place, text, right, before, after }) => (
                <tr key={place}>
                  <th scope="row">{place}</th>
                  <td class="text">{text}</td>
                  <td>{right}</td>
                  <td>{before}</td>
                  <td>{after}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </details>
  );
}
