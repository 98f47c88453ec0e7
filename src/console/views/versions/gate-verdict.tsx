import { type GateReport, GateVerdict, GateVerdictSchema } from "../../../gen/albert/v1/models_pb.js";
import { StateBadge } from "../../parts/state-badge.tsx";
import { enumName } from "../../parts/words/enum-name.ts";
import { lossText } from "../../parts/words/loss-text.ts";

// What the gate found about a version, in words.

/** The gate's verdict with its numbers, and what was noticed besides. */
export function GateVerdictPart({ report }: { readonly report: GateReport }) {
  const { verdict, metric, championValue, candidateValue, differenceLow, differenceHigh, examples, findings } = report;
  const { precisionLoss } = report;
  // Without a champion there is nothing to compare with.
  const compared = championValue !== 0 || differenceLow !== 0 || differenceHigh !== 0;
  const tone = verdict === GateVerdict.PASS ? "good" : verdict === GateVerdict.FAIL ? "bad" : "quiet";
  return (
    <>
      <p>
        <StateBadge tone={tone}>{`gate: ${enumName(GateVerdictSchema, verdict)}`}</StateBadge>
      </p>
      {compared ? (
        <p>
          {metric} {championValue.toFixed(4)} → <b>{candidateValue.toFixed(4)}</b> on {examples} examples; the
          difference lies between {differenceLow.toFixed(4)} and {differenceHigh.toFixed(4)} (95 %).
        </p>
      ) : (
        <p>
          {metric} <b>{candidateValue.toFixed(4)}</b> on {examples} examples.
        </p>
      )}
      {precisionLoss !== undefined && <p class="muted">{lossText(precisionLoss)}</p>}
      <Findings of={findings} />
    </>
  );
}

/** Sentences about a version; nothing where there are none. */
export function Findings({ of: findings }: { readonly of: readonly string[] }) {
  if (findings.length === 0) return null;
  return (
    <ul>
      {findings.map((finding) => (
        <li key={finding}>{finding}</li>
      ))}
    </ul>
  );
}
