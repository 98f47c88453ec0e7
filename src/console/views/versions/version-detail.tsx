import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { useEffect } from "preact/hooks";
import type { GetReportResponse, GetVersionResponse, VersionChange } from "../../../gen/albert/v1/models_pb.js";
import { VersionStateSchema } from "../../../gen/albert/v1/models_pb.js";
import type { EvaluationReport } from "../../../report/evaluation-report.ts";
import { type CardManifest, modelCard } from "../../../report/render/card.ts";
import { models } from "../../api.ts";
import { Loaded } from "../../parts/calls/loaded.tsx";
import { Problems } from "../../parts/calls/problems.tsx";
import { useCall } from "../../parts/calls/use-call.ts";
import { Download } from "../../parts/download.tsx";
import { ReportSections } from "../../parts/report-sections.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { hrefOf } from "../../parts/words/address.ts";
import { enumName } from "../../parts/words/enum-name.ts";
import { GateVerdictPart } from "./gate-verdict.tsx";
import { type Ancestor, Lineage, readLineage } from "./lineage.tsx";
import { toneOf } from "./version-row.tsx";

interface Read {
  readonly details: GetVersionResponse;
  readonly ancestors: readonly Ancestor[];
}

/** The model and the version of `name@7` or `name/champion`. */
function partsOf(name: string): readonly [model: string, version: string] {
  const [, model = name, version = ""] = /^([^@/]+)[@/](.+)$/.exec(name) ?? [];
  return [model, version];
}

/** All that is known of one version: where it came from, where it is wrong, and what happened to it. */
export function VersionDetail({ name }: { readonly name: string }) {
  const [model, version] = partsOf(name);
  return (
    <>
      <p class="crumbs">
        <a href={hrefOf("versions")}>All versions</a>
      </p>
      <Loaded
        what="the version"
        read={async (signal): Promise<Read> => {
          const details = await models.getVersion({ model, version }, { signal });
          return { details, ancestors: await readLineage(details, signal) };
        }}
      >
        {({ details, ancestors }) => <Details details={details} ancestors={ancestors} />}
      </Loaded>
    </>
  );
}

function Details({ details, ancestors }: Read) {
  const { version, gateReport, history, lineage } = details;
  const model = version!.model;
  const name = `${model}@${version!.version}`;
  return (
    <>
      <section class="card" aria-label="What it is">
        <div class="card-head">
          <h2>
            {model} {version!.version}
          </h2>
          <StateBadge tone={toneOf(version!.state)}>{enumName(VersionStateSchema, version!.state)}</StateBadge>
          {version!.aliases.map((alias) => (
            <span key={alias} class="chip">
              {alias}
            </span>
          ))}
          <a class="card-action" href={hrefOf("versions", { compare: against(ancestors, name), with: name })}>
            Compare with another
          </a>
        </div>
        <h3>Where it came from</h3>
        <Lineage ancestors={ancestors} />
      </section>
      <ReportCard
        model={model}
        version={version!.version}
        digest={version!.digest}
        manifestJson={details.manifestJson}
      />
      <section class="card" aria-labelledby="gate-heading">
        <h2 id="gate-heading">Against what served</h2>
        {gateReport === undefined ? (
          <p class="empty">
            The gate has not compared this version with a champion. A job does so at its end; so does{" "}
            <code>
              albert models validate {name} --task {"TASK"} --data FILE
            </code>
            .
          </p>
        ) : (
          <GateVerdictPart report={gateReport} />
        )}
      </section>
      <History of={history} />
      {lineage !== undefined && lineage.recipeJson !== "" && <Recipe json={lineage.recipeJson} />}
    </>
  );
}

/** With what a version is compared first: what it was made from, where that is a version. */
function against(ancestors: readonly Ancestor[], name: string): string {
  return ancestors.find((ancestor) => ancestor.name !== undefined && ancestor.name !== name)?.name ?? name;
}

function ReportCard({
  model,
  version,
  digest,
  manifestJson,
}: {
  readonly model: string;
  readonly version: number;
  readonly digest: string;
  readonly manifestJson: string;
}) {
  const [call, load] = useCall(async (signal): Promise<GetReportResponse | undefined> => {
    try {
      return await models.getReport({ model, version: String(version) }, { signal });
    } catch (error) {
      if (ConnectError.from(error).code === Code.NotFound) return undefined;
      throw error;
    }
  });
  useEffect(() => void load(), [load]);
  return (
    <section class="card" aria-labelledby="report-heading">
      <h2 id="report-heading">Where it is wrong</h2>
      {call.state === "running" && <p class="muted report-room">Reading the report …</p>}
      {call.state === "failed" && <Problems problems={call.problems} />}
      {call.state === "done" && call.value === undefined && (
        <p class="empty">
          No report is kept with this version: nobody has measured it here. A job measures what it makes;{" "}
          <code>
            albert models validate {model}@{version} --task TASK --data FILE
          </code>{" "}
          measures any version on a data set, and its report is shown here.
        </p>
      )}
      {call.state === "done" && call.value !== undefined && (
        <ReportSections json={call.value.reportJson} file={`${model}-${version}`} />
      )}
      {call.state === "done" && (
        <p>
          <Download
            name={`${model}-${version}-card.md`}
            type="text/markdown"
            text={() =>
              modelCard({
                ...{ name: `${model}@${version}`, digest, manifest: JSON.parse(manifestJson) as CardManifest },
                ...(call.value === undefined ? {} : { report: JSON.parse(call.value.reportJson) as EvaluationReport }),
              })
            }
          >
            Save a model card
          </Download>
        </p>
      )}
      <p class="muted">
        <code>
          albert models download {model}@{version} --output {model}
        </code>{" "}
        brings its files as a model directory, to be served, evaluated or exported elsewhere.
      </p>
    </section>
  );
}

function History({ of: changes }: { readonly of: readonly VersionChange[] }) {
  return (
    <section class="card" aria-labelledby="history-heading">
      <h2 id="history-heading">What happened to it</h2>
      {changes.length === 0 ? (
        <p class="empty">Nothing yet: it was never promoted and never had traffic.</p>
      ) : (
        <ol class="history">
          {changes.map(({ time, event, reason, actor }, i) => (
            <li key={`${i}-${event}`}>
              <time class="muted">{time === undefined ? "" : timestampDate(time).toLocaleString()}</time> <b>{event}</b>
              {actor === "" ? "" : ` by ${actor}`}
              {reason === "" ? "" : `: ${reason}`}
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

/** The settings it was made with, one a row. */
function Recipe({ json }: { readonly json: string }) {
  const settings = Object.entries(JSON.parse(json) as Record<string, unknown>);
  return (
    <details class="card">
      <summary>Settings it was made with ({settings.length})</summary>
      <dl class="settings">
        {settings.map(([key, value]) => (
          <div key={key}>
            <dt>{key}</dt>
            <dd>{typeof value === "string" ? value : JSON.stringify(value)}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
