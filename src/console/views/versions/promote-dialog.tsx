import { useEffect, useRef, useState } from "preact/hooks";
import { type Alias, type GateReport, GateVerdict, type ModelVersion } from "../../../gen/albert/v1/models_pb.js";
import { models } from "../../api.ts";
import { Problems } from "../../parts/calls/problems.tsx";
import { useCall } from "../../parts/calls/use-call.ts";
import { Findings, GateVerdictPart } from "./gate-verdict.tsx";

/**
 * Shows what the gate said about a version before it goes live. Past a gate that did not pass, a promotion needs a reason,
 * which is kept with the change.
 */
export function PromoteDialog({
  version,
  champion,
  onPromote,
  onClose,
}: {
  readonly version: ModelVersion;
  readonly champion: Alias | undefined;
  /** @param reason  empty where the gate needs no overriding */
  readonly onPromote: (reason: string) => void;
  readonly onClose: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [reason, setReason] = useState("");
  const [details, load] = useCall((signal) =>
    models.getVersion({ model: version.model, version: String(version.version) }, { signal }),
  );
  useEffect(() => {
    dialog.current?.showModal();
    void load();
  }, [load]);
  const report = details.state === "done" ? details.value.gateReport : undefined;
  const passed = champion === undefined || report?.verdict === GateVerdict.PASS;
  return (
    <dialog ref={dialog} aria-labelledby="promote-title" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onPromote(passed ? "" : reason.trim());
        }}
      >
        <h2 id="promote-title">
          Promote {version.model} {version.version}
        </h2>
        {details.state === "failed" && <Problems problems={details.problems} />}
        {details.state === "running" && <p class="muted">Reading the gate's report …</p>}
        {details.state === "done" && <Verdict report={report} first={champion === undefined} />}
        {details.state === "done" && !passed && (
          <label>
            Reason to promote it all the same <small>kept with the change</small>
            <input required value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
          </label>
        )}
        <div class="actions">
          <button type="submit" disabled={details.state !== "done"}>
            Make it serve
          </button>
          <button type="button" class="quiet" onClick={() => dialog.current?.close()}>
            Leave it
          </button>
        </div>
      </form>
    </dialog>
  );
}

function Verdict({ report, first }: { readonly report: GateReport | undefined; readonly first: boolean }) {
  if (first) {
    return (
      <>
        <p>Nothing serves under this name yet, so there is nothing to compare it with.</p>
        <Findings of={report?.findings.slice(1) ?? []} />
      </>
    );
  }
  if (report === undefined) return <p>The gate has not compared this version with what serves now.</p>;
  return <GateVerdictPart report={report} />;
}
