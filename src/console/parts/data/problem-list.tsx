import type { ValidateDatasetResponse } from "../../../gen/albert/v1/training_pb.js";
import { StateBadge } from "../state-badge.tsx";

/** Kinds of problems that are a whole set's, or a label's: no row shows them. */
const OF_THE_WHOLE: ReadonlySet<string> = new Set([
  ...["byte-order-mark", "missing-column", "no-usable-rows", "single-class", "labels-do-not-fit-head"],
  ...["label-is-no-value", "label-for-each-row", "other-separator", "label-never-used", "too-many-labels"],
  ...["labels-look-alike", "label-of-one-row", "label-looks-missing", "byte-order-mark-dropped", "blank-line"],
]);

/** Whether the data can be used, and every kind of problem with its first places and what to do. */
export function ProblemList({
  report,
  onShow,
  onLeaveOut,
}: {
  readonly report: ValidateDatasetResponse;
  readonly onShow?: (kind: string) => void;
  readonly onLeaveOut?: (kind: string) => void;
}) {
  const { usable, rowsRead, rowsAccepted, rowsRejected, issues } = report;
  return (
    <>
      <p>
        <StateBadge tone={usable ? "good" : "bad"}>{usable ? "usable" : "not usable"}</StateBadge>{" "}
        {rowsAccepted.toLocaleString("en")} of {rowsRead.toLocaleString("en")} rows can be used
        {rowsRejected > 0 ? `, ${rowsRejected.toLocaleString("en")} cannot` : ""}
      </p>
      {issues.length === 0 ? (
        <p class="empty">No problem was found.</p>
      ) : (
        <ul class="issues">
          {issues.map(({ kind, count, severity, hint, locations, details }) => (
            <li key={kind}>
              <p>
                <b class={severity === "error" ? "bad" : ""}>{kind.replaceAll("-", " ")}</b> × {count}{" "}
                <span class="muted">{severity}</span>
              </p>
              <p class="muted">{hint}</p>
              <ul class="places">
                {locations.slice(0, 3).map((location, i) => (
                  <li key={`${i}-${location}`}>
                    <code>{location}</code> {details[i]}
                  </li>
                ))}
              </ul>
              {!OF_THE_WHOLE.has(kind) && (
                <p>
                  {onShow !== undefined && (
                    <button type="button" class="link" onClick={() => onShow(kind)}>
                      Show {count === 1 ? "the row" : "the rows"}
                    </button>
                  )}
                  {onLeaveOut !== undefined && (
                    <button type="button" class="link" onClick={() => onLeaveOut(kind)}>
                      Leave {count === 1 ? "it" : "them"} out
                    </button>
                  )}
                </p>
              )}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
