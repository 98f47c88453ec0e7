import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type ModelVersion, VersionState, VersionStateSchema } from "../../../gen/albert/v1/models_pb.js";
import { StateBadge, type Tone } from "../../parts/state-badge.tsx";
import { hrefOf } from "../../parts/words/address.ts";
import { enumName } from "../../parts/words/enum-name.ts";
import { lossText } from "../../parts/words/loss-text.ts";

// One stored version in the list of its model.

/** One stored version: who it is, what it measured when it was made, and the way to make it serve. */
export function VersionRow({
  version,
  serves,
  busy,
  onPromote,
  onCanary,
}: {
  readonly version: ModelVersion;
  readonly serves: boolean;
  readonly busy: boolean;
  readonly onPromote: () => void;
  /** Absent where nothing serves that it could challenge. */
  readonly onCanary: (() => void) | undefined;
}) {
  return (
    <li>
      <div class="version-name">
        <b>{version.version}</b>
        <span>
          <a href={hrefOf("versions", { of: `${version.model}@${version.version}` })}>Report and lineage</a>{" "}
          <code title={version.digest}>{version.digest.slice(0, 12)}</code>
          <small class="muted">{describe(version)}</small>
        </span>
      </div>
      <div class="version-state">
        <StateBadge tone={toneOf(version.state)}>{enumName(VersionStateSchema, version.state)}</StateBadge>
        {version.aliases.map((alias) => (
          <span key={alias} class="chip">
            {alias}
          </span>
        ))}
        {version.precisionLosses.map((loss) => (
          <small key={loss.of} class="muted">
            {lossText(loss)}
          </small>
        ))}
        {version.failure !== "" && <small class="bad">{version.failure}</small>}
      </div>
      <dl class="metrics">
        {Object.entries(version.metrics).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value.toFixed(4)}</dd>
          </div>
        ))}
      </dl>
      <div class="version-action">
        {!serves && onCanary !== undefined && (
          <button type="button" class="quiet" disabled={busy} onClick={onCanary}>
            Canary {version.version}
          </button>
        )}
        {!serves && (
          <button type="button" class="quiet" disabled={busy} onClick={onPromote}>
            Promote {version.version}
          </button>
        )}
      </div>
    </li>
  );
}

/** Size and age, as far as they are known. */
function describe({ bytes, created }: ModelVersion): string {
  const size = bytes > 0 ? [`${(bytes / 2 ** 20).toFixed(bytes < 2 ** 20 ? 2 : 1)} MiB`] : [];
  const date =
    created === undefined
      ? []
      : [timestampDate(created).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })];
  return [...size, ...date].join(" · ");
}

/** The colour of a version's state. */
export function toneOf(state: VersionState): Tone {
  switch (state) {
    case VersionState.SERVING:
      return "good";
    case VersionState.FAILED:
      return "bad";
    case VersionState.STORED:
    case VersionState.UNSPECIFIED:
      return "quiet";
    default:
      return "active";
  }
}
