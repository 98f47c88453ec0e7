import {
  CanaryVerdict,
  CanaryVerdictSchema,
  type JudgedRate,
  type ModelTraffic,
  TrafficModeSchema,
} from "../../../gen/albert/v1/models_pb.js";
import { StateBadge, type Tone } from "../../parts/state-badge.tsx";
import { enumName } from "../../parts/words/enum-name.ts";

/** The challenger of a model: its share, what all servers have seen of it so far, and the way to end it. */
export function TrafficPanel({
  traffic: { rule, judgement },
  busy,
  onEnd,
}: {
  readonly traffic: ModelTraffic;
  readonly busy: boolean;
  readonly onEnd: () => void;
}) {
  if (rule === undefined) return null;
  const mode = enumName(TrafficModeSchema, rule.mode);
  return (
    <section class="challenger" aria-label={`challenger ${rule.version}`}>
      <p>
        Version {rule.version} is a {mode} of {rule.percent} % against version {rule.champion}
        {rule.reason === "" ? "" : `: ${rule.reason}`}{" "}
        <button type="button" class="quiet" disabled={busy} onClick={onEnd}>
          End the {mode}
        </button>
      </p>
      {judgement !== undefined && (
        <>
          <p>
            <StateBadge tone={TONES[judgement.verdict] ?? "quiet"}>
              {enumName(CanaryVerdictSchema, judgement.verdict)}
            </StateBadge>{" "}
            <small class="muted">{judgement.reason}</small>
          </p>
          <table>
            <thead>
              <tr>
                <th scope="col">Criterion</th>
                <th scope="col">Version {rule.version}</th>
                <th scope="col">Version {rule.champion}</th>
                <th scope="col">Doubt</th>
              </tr>
            </thead>
            <tbody>
              {judgement.criteria.map(({ name, champion, challenger, doubt, cleared }) => (
                <tr key={name}>
                  <th scope="row">{WORDS[name] ?? name}</th>
                  <td>{rateText(challenger)}</td>
                  <td>{rateText(champion)}</td>
                  <td>{cleared ? "cleared" : `${Math.round(100 * doubt)} %`}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
    </section>
  );
}

const WORDS: Readonly<Record<string, string>> = {
  failed: "failed",
  slow: "slow",
  differs: "decided differently",
  wrong: "judged wrong",
};

const TONES: Readonly<Record<number, Tone>> = {
  [CanaryVerdict.UNSPECIFIED]: "quiet",
  [CanaryVerdict.UNDECIDED]: "active",
  [CanaryVerdict.WORSE]: "bad",
  [CanaryVerdict.GOOD]: "good",
};

/** Such as "3 of 120 (0.4 to 9.1 %)". */
function rateText(rate: JudgedRate | undefined): string {
  if (rate === undefined) return "–";
  const { events, of, low, high } = rate;
  return `${events} of ${of} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)} %)`;
}
