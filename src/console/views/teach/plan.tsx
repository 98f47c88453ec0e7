import type { PlanJobResponse } from "../../../gen/albert/v1/training_pb.js";
import { durationText } from "../../parts/words/duration-text.ts";

/** What a job would take, and every setting that would apply. */
export function Plan({ plan }: { readonly plan: PlanJobResponse }) {
  const { problems, steps, etaSeconds, tokens, paddingShare, peakMemoryBytes, diskBytes, settings } = plan;
  if (problems.length > 0) {
    return (
      <ul class="problems">
        {problems.map(({ where, what, hint }) => (
          <li key={where + what}>
            {where}: {what}. {hint}
          </li>
        ))}
      </ul>
    );
  }
  return (
    <>
      <p>
        <b>{steps.toLocaleString("en")} steps</b>, about <b>{durationText(etaSeconds)}</b>;{" "}
        {Math.round(tokens).toLocaleString("en")} tokens, {(100 * paddingShare).toFixed(0)} % of them padding;{" "}
        {(peakMemoryBytes / 2 ** 20).toFixed(0)} MiB of memory, {(diskBytes / 2 ** 20).toFixed(0)} MiB of disk.
      </p>
      <details>
        <summary>Settings ({settings.length})</summary>
        <dl class="settings">
          {settings.map(({ name, value, origin }) => (
            <div key={name}>
              <dt>
                {name} <small>{origin}</small>
              </dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </details>
    </>
  );
}
