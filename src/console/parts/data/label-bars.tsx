import type { LabelCount } from "../../../gen/albert/v1/training_pb.js";

/** How many rows each label has, with those that look like slips; a press shows the rows of one, or writes it otherwise. */
export function LabelBars({
  counts,
  onShow,
  onRename,
}: {
  readonly counts: readonly LabelCount[];
  readonly onShow?: (label: string) => void;
  readonly onRename?: (from: string, to: string) => void;
}) {
  const most = Math.max(1, ...counts.map(({ rows }) => rows));
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="label-bars" tabIndex={0} aria-label="Labels">
      <table class="scores">
        <caption class="visually-hidden">Usable rows of each label</caption>
        <tbody>
          {counts.map(({ label, rows, didYouMean }) => (
            <tr key={label} class={didYouMean === "" ? "chosen" : ""}>
              <th scope="row">
                {onShow === undefined ? (
                  label
                ) : (
                  <button type="button" class="link" title={`Show the rows of ${label}`} onClick={() => onShow(label)}>
                    {label}
                  </button>
                )}
                {didYouMean !== "" && (
                  <small class="bad">
                    {" "}
                    did you mean {didYouMean}?{" "}
                    {onRename !== undefined && (
                      <button type="button" class="link" onClick={() => onRename(label, didYouMean)}>
                        Write {didYouMean}
                      </button>
                    )}
                  </small>
                )}
              </th>
              <td class="bar" aria-hidden="true">
                <span style={{ width: `${((100 * rows) / most).toFixed(1)}%` }} />
              </td>
              <td class="number">{rows.toLocaleString("en")}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
