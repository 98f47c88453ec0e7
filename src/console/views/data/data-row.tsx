import { useState } from "preact/hooks";
import type { DataRow, ListRowsResponse } from "../../../gen/albert/v1/training_pb.js";
import { columnOf, FIELDS, type Reading } from "../../parts/data/reading.ts";
import type { Pending } from "./pending.ts";

/** One row: its number, text and label, what is wrong with it, and what may be done about that. */
export function DataRowItem({
  row,
  file,
  reading,
  labels,
  pending,
  onPending,
}: {
  readonly row: DataRow;
  readonly file: ListRowsResponse;
  readonly reading: Reading;
  readonly labels: readonly string[];
  readonly pending: Pending;
  readonly onPending: (pending: Pending) => void;
}) {
  const { number, cells, usable, problems } = row;
  const [editing, setEditing] = useState(false);
  const fields = FIELDS[reading.task] ?? [];
  const used = fields.flatMap((field) => columnOf(file, reading, field) ?? []);
  const changed = pending.rows[number];
  const isOut = pending.leaveOut.includes(number);
  const divided = cells.length === file.columns.length || file.separator === "";
  const cellOf = (column: string) =>
    changed?.[column] ?? (divided ? (cells.find((cell) => cell.column === column)?.value ?? "") : "");
  const isEditable = used.length > 0 && !cells.some(({ column, shortened }) => shortened && used.includes(column));
  const shown = used.length > 0 ? used : cells.map(({ column }) => column);
  const labelColumn = columnOf(file, reading, "label");
  return (
    <li class={`data-row ${isOut ? "out" : ""} ${usable ? "" : "unusable"}`}>
      <span class="muted number" title={`line ${row.line} of the file`}>
        {number}
      </span>
      {editing ? (
        <EditRow
          number={number}
          values={used.map((column) => [column, cellOf(column)] as const)}
          labels={labels}
          labelColumn={labelColumn}
          onDone={(values) => {
            setEditing(false);
            if (values !== undefined) onPending({ ...pending, rows: { ...pending.rows, [number]: values } });
          }}
        />
      ) : (
        <div class="data-values">
          {changed === undefined && (cells.length === 0 || !divided) ? (
            <code>{row.text}</code>
          ) : (
            shown.map((column) =>
              column === labelColumn ? (
                <span key={column} class={`chip ${changed?.[column] === undefined ? "" : "changed"}`}>
                  {cellOf(column) || "no label"}
                </span>
              ) : (
                <span key={column} class={changed?.[column] === undefined ? "" : "changed"}>
                  {cellOf(column)}
                </span>
              ),
            )
          )}
          {problems.map(({ kind, severity, detail, hint }) => (
            <small key={kind} class={severity === "error" ? "bad" : "muted"}>
              <b>{kind.replaceAll("-", " ")}</b>: {detail}. {severity === "note" ? "" : hint}
            </small>
          ))}
        </div>
      )}
      <span class="data-actions">
        {isEditable && !editing && !isOut && (
          <button type="button" class="link" aria-label={`Edit row ${number}`} onClick={() => setEditing(true)}>
            Edit
          </button>
        )}
        <button
          type="button"
          class="link"
          aria-pressed={isOut}
          aria-label={`Leave out row ${number}`}
          onClick={() =>
            onPending({
              ...pending,
              leaveOut: isOut ? pending.leaveOut.filter((one) => one !== number) : [...pending.leaveOut, number],
            })
          }
        >
          {isOut ? "Keep it" : "Leave out"}
        </button>
      </span>
    </li>
  );
}

/** The values of one row to be written anew. */
function EditRow({
  number,
  values,
  labels,
  labelColumn,
  onDone,
}: {
  readonly number: number;
  readonly values: readonly (readonly [column: string, value: string])[];
  readonly labels: readonly string[];
  readonly labelColumn: string | undefined;
  /** @param values  undefined: as it was */
  readonly onDone: (values?: Readonly<Record<string, string>>) => void;
}) {
  const [now, setNow] = useState(() => Object.fromEntries(values));
  return (
    <form
      class="edit-row"
      onSubmit={(event) => {
        event.preventDefault();
        onDone(now);
      }}
      onKeyDown={(event) => {
        if (event.key === "Escape") onDone();
      }}
    >
      {values.map(([column], i) =>
        column === labelColumn ? (
          <label key={column}>
            {column}
            <input
              list={`labels-${number}`}
              value={now[column]}
              onInput={(event) => setNow({ ...now, [column]: event.currentTarget.value })}
            />
          </label>
        ) : (
          <label key={column}>
            {column}
            <textarea
              rows={2}
              ref={(element) => {
                if (i === 0 && element !== null && document.activeElement?.closest(".edit-row") == null)
                  element.focus();
              }}
              value={now[column]}
              onInput={(event) => setNow({ ...now, [column]: event.currentTarget.value })}
            />
          </label>
        ),
      )}
      <datalist id={`labels-${number}`}>
        {labels.map((label) => (
          <option key={label} value={label} />
        ))}
      </datalist>
      <div class="actions">
        <button type="submit">Change row {number}</button>
        <button type="button" class="quiet" onClick={() => onDone()}>
          As it was
        </button>
      </div>
    </form>
  );
}
