import type { ValidateDatasetResponse } from "../../../gen/albert/v1/training_pb.js";
import { StateBadge } from "../../parts/state-badge.tsx";

/** What the check of a file found: how many rows can be used, their labels, and every kind of problem with its first places. */
export function RowsReport({ report }: { readonly report: ValidateDatasetResponse }) {
  return (
    <div class="report">
      <p>
        <StateBadge tone={report.usable ? "good" : "bad"}>{report.usable ? "usable" : "not usable"}</StateBadge>{" "}
        {report.rowsAccepted} of {report.rowsRead} rows accepted
        {report.rowsRejected > 0 ? `, ${report.rowsRejected} rejected` : ""}
      </p>
      <p class="labels">
        {report.labelCounts.map(({ label, rows: count }) => (
          <span key={label} class="chip">
            {label} <b>{count}</b>
          </span>
        ))}
      </p>
      {report.issues.length > 0 && (
        <ul class="issues">
          {report.issues.map((issue) => (
            <li key={issue.kind}>
              <p>
                <b class={issue.fatal ? "bad" : ""}>{issue.kind}</b> × {issue.count}
              </p>
              <p>
                {issue.locations.map((location) => (
                  <code key={location}>{location}</code>
                ))}
              </p>
              <p class="muted">{issue.hint}</p>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
