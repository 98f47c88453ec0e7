import { useRef, useState } from "preact/hooks";
import { ModelStateSchema } from "../../../gen/albert/v1/inference_pb.js";
import {
  type Alias,
  type ListVersionsResponse,
  type ModelTraffic,
  type ModelVersion,
  type Outage,
  type SwapReport,
  TrafficMode,
  VersionStateSchema,
} from "../../../gen/albert/v1/models_pb.js";
import { models } from "../../api.ts";
import { everyPage } from "../../parts/calls/every-page.ts";
import { Problems } from "../../parts/calls/problems.tsx";
import { useCall, usePolling } from "../../parts/calls/use-call.ts";
import { LongList } from "../../parts/long-list.tsx";
import { addressParameters, hrefOf, keepInAddress } from "../../parts/words/address.ts";
import { enumName } from "../../parts/words/enum-name.ts";
import { CanaryDialog, type CanaryWish } from "./canary-dialog.tsx";
import { PromoteDialog } from "./promote-dialog.tsx";
import { TrafficPanel } from "./traffic-panel.tsx";
import { VersionRow } from "./version-row.tsx";

/** Everything there is, whatever the number of pages. */
type Listed = Pick<ListVersionsResponse, "aliases" | "traffic" | "outages"> & {
  readonly versions: readonly ModelVersion[];
};

/** A store of more versions is read again less often. */
const MANY = 2_000;

/** What a search looks at. */
function textOf({ model, version, digest, aliases, state }: ModelVersion): string {
  return `${model}@${version} ${digest} ${aliases.join(" ")} ${enumName(VersionStateSchema, state)}`.toLowerCase();
}

/** A promotion that waits for a person's decision. */
interface Candidate {
  readonly version: ModelVersion;
  readonly champion: Alias | undefined;
}

/** Versions in the store, what serves and what challenges it, and the calls that change that. */
export function VersionList() {
  const [list, load] = useCall(async (signal): Promise<Listed> => {
    const { items, last } = await everyPage(
      (page) => models.listVersions(page, { signal }),
      (reply) => reply.versions,
    );
    return { ...last, versions: items };
  });
  const [wanted, setWanted] = useState(addressParameters().get("q") ?? "");
  const [candidate, setCandidate] = useState<Candidate | undefined>(undefined);
  const [canary, setCanary] = useState<ModelVersion | undefined>(undefined);
  const [change, apply] = useCall(
    async (signal, action: (signal: AbortSignal) => Promise<{ readonly report?: SwapReport | undefined }>) => {
      const { report } = await action(signal);
      void load();
      return report;
    },
  );
  const shown = useLast(list.state === "done" ? list.value : undefined);
  usePolling(() => void load(), (shown?.versions.length ?? 0) > MANY ? 60_000 : 5_000);
  if (shown === undefined)
    return list.state === "failed" ? <Problems problems={list.problems} /> : <p class="muted">Reading the store …</p>;
  const names = [...new Set(shown.versions.map((version) => version.model))].sort();
  const search = wanted.trim().toLowerCase();
  const found = shown.versions.filter((version) => search === "" || textOf(version).includes(search));
  const busy = change.state === "running";
  const promote = (version: ModelVersion, champion: Alias | undefined, reason: string) =>
    apply((signal) =>
      models.promote(
        {
          model: version.model,
          version: version.version,
          expectedGeneration: champion?.generation ?? 0,
          overrideGate: reason !== "",
          reason,
        },
        { signal },
      ),
    );
  const rollBack = ({ model, name, generation }: Alias) =>
    apply((signal) =>
      models.rollback({ model, alias: name, expectedGeneration: generation, reason: "from the console" }, { signal }),
    );
  const setTraffic = (request: Parameters<typeof models.setTraffic>[0]) =>
    apply(async (signal) => {
      await models.setTraffic(request, { signal });
      return {};
    });
  const giveCanary = ({ model, version }: ModelVersion, { percent, conditions, reason }: CanaryWish) =>
    setTraffic({
      ...{ model, challengerVersion: version, mode: TrafficMode.CANARY, percent, reason },
      conditions,
    });
  const endTraffic = ({ model, rule }: ModelTraffic) =>
    setTraffic({
      ...{ model, mode: TrafficMode.OFF, reason: "from the console" },
      ...(rule === undefined ? {} : { expectedGeneration: rule.generation }),
    });
  return (
    <>
      <div aria-live="polite">
        {list.state === "failed" && <Problems problems={list.problems} />}
        {change.state === "failed" && <Problems problems={change.problems} />}
        {busy && <p class="notice">Swapping: loading, verifying and warming the version …</p>}
        {change.state === "done" && change.value !== undefined && <SwapLine report={change.value} />}
      </div>
      <Problems problems={shown.outages.map(outageLine)} />
      {names.length === 0 && (
        <p class="card empty">
          The store holds no version yet. Teach a model from a file under <a href={hrefOf("jobs")}>Jobs</a>, or bring a
          checkpoint in with <code>albert models import</code>.
        </p>
      )}
      {names.length > 0 && (
        <label class="search-versions">
          Find <small>model, number, digest, alias or state</small>
          <input
            type="search"
            value={wanted}
            onInput={(event) => {
              setWanted(event.currentTarget.value);
              keepInAddress("versions", { q: event.currentTarget.value });
            }}
          />
        </label>
      )}
      {names.length > 0 && found.length === 0 && <p class="card empty">No version is like that.</p>}
      {names.map((model) => (
        <ModelCard
          key={model}
          model={model}
          list={shown}
          found={found}
          busy={busy}
          onPromote={(version, champion) => setCandidate({ version, champion })}
          onRollback={(champion) => void rollBack(champion)}
          onCanary={setCanary}
          onEnd={(traffic) => void endTraffic(traffic)}
        />
      ))}
      {canary !== undefined && (
        <CanaryDialog
          version={canary}
          onClose={() => setCanary(undefined)}
          onGive={(wish) => {
            setCanary(undefined);
            void giveCanary(canary, wish);
          }}
        />
      )}
      {candidate !== undefined && (
        <PromoteDialog
          version={candidate.version}
          champion={candidate.champion}
          onClose={() => setCandidate(undefined)}
          onPromote={(reason) => {
            setCandidate(undefined);
            void promote(candidate.version, candidate.champion, reason);
          }}
        />
      )}
    </>
  );
}

interface ModelCardProps {
  readonly model: string;
  readonly list: Listed;
  /** The versions that are looked for, of all models. */
  readonly found: readonly ModelVersion[];
  readonly busy: boolean;
  readonly onPromote: (version: ModelVersion, champion: Alias | undefined) => void;
  readonly onRollback: (champion: Alias) => void;
  readonly onCanary: (version: ModelVersion) => void;
  readonly onEnd: (traffic: ModelTraffic) => void;
}

function ModelCard({ model, list, found, busy, onPromote, onRollback, onCanary, onEnd }: ModelCardProps) {
  const traffic = list.traffic.find((one) => one.model === model);
  const aliases = list.aliases.filter((alias) => alias.model === model);
  const champion = aliases.find(({ name }) => name === "champion");
  const previous = aliases.find(({ name }) => name === "previous");
  const versions = found.filter((version) => version.model === model).sort((a, b) => b.version - a.version);
  if (versions.length === 0) return null;
  const [newest, before] = versions;
  return (
    <section class="card" aria-label={model}>
      <div class="card-head">
        <h2>{model}</h2>
        {champion !== undefined && (
          <span class="muted">
            version {champion.version} serves · generation {champion.generation}
          </span>
        )}
        {champion !== undefined && previous !== undefined && (
          <button type="button" class="quiet" disabled={busy} onClick={() => onRollback(champion)}>
            {previous.version < champion.version ? "Roll back" : "Go back"} to {previous.version}
          </button>
        )}
        {newest !== undefined && before !== undefined && (
          <a
            class="card-action"
            href={hrefOf("versions", {
              compare: `${model}@${champion?.version ?? before.version}`,
              with: `${model}@${champion?.version === newest.version ? before.version : newest.version}`,
            })}
          >
            Compare two
          </a>
        )}
      </div>
      {traffic !== undefined && <TrafficPanel traffic={traffic} busy={busy} onEnd={() => onEnd(traffic)} />}
      <LongList items={versions} className="versions" label={`versions of ${model}`} rowHeight={64}>
        {(version) => (
          <VersionRow
            key={version.version}
            version={version}
            serves={champion?.version === version.version}
            busy={busy}
            onPromote={() => onPromote(version, champion)}
            onCanary={champion === undefined ? undefined : () => onCanary(version)}
          />
        )}
      </LongList>
    </section>
  );
}

/** That nothing answers under a name, and why. */
function outageLine({ model, state, failure, message }: Outage): string {
  return `${model} does not serve: ${failure === "" ? enumName(ModelStateSchema, state) : `${failure}: ${message}`}`;
}

function SwapLine({ report }: { readonly report: SwapReport }) {
  const seconds = Object.values(report.phaseSeconds).reduce((sum, value) => sum + value, 0);
  const { p99BeforeMs, p99DuringMs, p99AfterMs } = report;
  return (
    <p class="notice good">
      Version {report.toVersion} serves. {seconds.toFixed(2)} s in all, {report.requestsFailed} requests failed
      {p99DuringMs > 0
        ? `, p99 ${p99BeforeMs.toFixed(1)} → ${p99DuringMs.toFixed(1)} → ${p99AfterMs.toFixed(1)} ms`
        : ""}
      .
    </p>
  );
}

/** The latest defined value, so that a list stays on the page while it is read again. */
function useLast<T>(value: T | undefined): T | undefined {
  const last = useRef<T | undefined>(undefined);
  if (value !== undefined) last.current = value;
  return last.current;
}
