import { useEffect, useRef } from "preact/hooks";
import {
  type Alias,
  type ListVersionsResponse,
  type ModelVersion,
  type SwapReport,
  VersionStateSchema,
} from "../../gen/albert/v1/models_pb.js";
import { models } from "../api.ts";
import { enumName } from "../parts/enum-name.ts";
import { Problems } from "../parts/problems.tsx";
import { useCall, usePolling } from "../parts/use-call.ts";

/** Versions in the store, what serves, and the two calls that change it. */
export function ModelsView() {
  const [list, load] = useCall((signal) => models.listVersions({ pageSize: 200 }, { signal }));
  const [change, apply] = useCall(
    async (signal, action: (signal: AbortSignal) => Promise<{ report?: SwapReport | undefined }>) => {
      const reply = await action(signal);
      await load();
      return reply.report;
    },
  );
  usePolling(() => void load(), 5_000);
  useEffect(() => void load(), [load]);
  const shown = useLast(list.state === "done" ? list.value : undefined);
  if (shown === undefined)
    return list.state === "failed" ? <Problems problems={list.problems} /> : <p class="muted">Reading the store …</p>;
  const names = [...new Set(shown.versions.map((version) => version.model))].sort();
  return (
    <>
      <div aria-live="polite">
        {list.state === "failed" && <Problems problems={list.problems} />}
        {change.state === "failed" && <Problems problems={change.problems} />}
        {change.state === "running" && <p class="muted">Swapping: loading, verifying and warming the version …</p>}
        {change.state === "done" && change.value !== undefined && <SwapLine report={change.value} />}
      </div>
      {names.length === 0 && (
        <p class="muted">The store holds no version yet. Import a checkpoint or run a fine-tuning job.</p>
      )}
      {names.map((model) => (
        <ModelSection
          key={model}
          model={model}
          list={shown}
          busy={change.state === "running"}
          onPromote={(version, alias, override) =>
            void apply((signal) =>
              models.promote(
                {
                  model,
                  version: version.version,
                  expectedGeneration: alias?.generation ?? 0,
                  overrideGate: override !== undefined,
                  reason: override ?? "",
                },
                { signal },
              ),
            )
          }
          onRollback={(alias) =>
            void apply((signal) =>
              models.rollback(
                { model, alias: alias.name, expectedGeneration: alias.generation, reason: "from the console" },
                { signal },
              ),
            )
          }
        />
      ))}
    </>
  );
}

interface ModelSectionProps {
  readonly model: string;
  readonly list: ListVersionsResponse;
  readonly busy: boolean;
  readonly onPromote: (version: ModelVersion, alias: Alias | undefined, override: string | undefined) => void;
  readonly onRollback: (alias: Alias) => void;
}

function ModelSection({ model, list, busy, onPromote, onRollback }: ModelSectionProps) {
  const champion = list.aliases.find((alias) => alias.model === model && alias.name === "champion");
  const versions = list.versions.filter((version) => version.model === model).sort((a, b) => b.version - a.version);
  return (
    <section aria-label={model}>
      <h2>{model}</h2>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Version</th>
              <th scope="col">State</th>
              <th scope="col">Metrics</th>
              <th scope="col">Change</th>
            </tr>
          </thead>
          <tbody>
            {versions.map((version) => (
              <tr key={version.version}>
                <td>
                  <b>{version.version}</b> {version.aliases.join(", ")}
                  <br />
                  <code>{version.digest.slice(0, 12)}</code>
                </td>
                <td>
                  {enumName(VersionStateSchema, version.state)}
                  {version.failure === "" ? "" : `: ${version.failure}`}
                </td>
                <td>
                  {Object.entries(version.metrics)
                    .map(([name, value]) => `${name} ${value.toFixed(4)}`)
                    .join(", ") || "–"}
                </td>
                <td>
                  {champion?.version === version.version ? (
                    <span class="state good">serves</span>
                  ) : (
                    <button
                      type="button"
                      class="quiet"
                      disabled={busy}
                      onClick={() => askAndPromote(version, champion, onPromote)}
                    >
                      Promote {version.version}
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {champion !== undefined && (
        <p>
          champion is version {champion.version}, generation {champion.generation}{" "}
          <button type="button" class="quiet" disabled={busy} onClick={() => onRollback(champion)}>
            Roll back
          </button>
        </p>
      )}
    </section>
  );
}

/** A promotion by hand goes past the gate only with a reason, which is kept with the change. */
function askAndPromote(
  version: ModelVersion,
  alias: Alias | undefined,
  onPromote: ModelSectionProps["onPromote"],
): void {
  const reason = window.prompt(
    "Reason, if this version may go live even when the gate did not pass (leave empty to respect the gate):",
    "",
  );
  if (reason === null) return;
  onPromote(version, alias, reason === "" ? undefined : reason);
}

function SwapLine({ report }: { readonly report: SwapReport }) {
  const seconds = Object.values(report.phaseSeconds).reduce((sum, value) => sum + value, 0);
  return (
    <p class="card" role="status">
      Version {report.toVersion} serves. {seconds.toFixed(2)} s in all, {report.requestsFailed} requests failed, p99{" "}
      {report.p99BeforeMs.toFixed(1)} → {report.p99DuringMs.toFixed(1)} → {report.p99AfterMs.toFixed(1)} ms.
    </p>
  );
}

/** The latest defined value, so that a list stays on the page while it is read again. */
function useLast<T>(value: T | undefined): T | undefined {
  const last = useRef<T | undefined>(undefined);
  if (value !== undefined) last.current = value;
  return last.current;
}
