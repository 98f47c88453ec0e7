import type { ListRowsResponse } from "../../../gen/albert/v1/training_pb.js";
import { TaskSelect } from "../task-select.tsx";
import { FIELDS, namedColumns, type Reading, withColumn } from "./reading.ts";

const NAMES: Readonly<Record<string, string>> = { text_pair: "second text", answer_start: "start of the answer" };

const SEPARATORS = { comma: "commas", semicolon: "semicolons", tab: "tabs", bar: "vertical bars" } as const;

/** The task of a file, what divides its cells, and which of its columns holds what. */
export function ReadingFields({
  reading,
  file,
  onChange,
}: {
  readonly reading: Reading;
  /** The file as it is, under its own columns. */
  readonly file: ListRowsResponse;
  readonly onChange: (reading: Reading) => void;
}) {
  const named = namedColumns(reading);
  const fields = FIELDS[reading.task] ?? [];
  const found = file.separator as keyof typeof SEPARATORS;
  return (
    <div class="row">
      <TaskSelect value={reading.task} onChange={(task) => onChange({ ...reading, task, columns: "" })} />
      {found in SEPARATORS && (
        <label>
          Cells are divided by
          <select
            value={reading.separator}
            onChange={(event) => onChange({ ...reading, separator: event.currentTarget.value, columns: "" })}
          >
            <option value="">
              {reading.separator === "" ? `${SEPARATORS[found]}, as found` : "whatever is found"}
            </option>
            {Object.entries(SEPARATORS).map(([name, text]) => (
              <option key={name} value={name}>
                {text}
              </option>
            ))}
          </select>
        </label>
      )}
      {fields.map((field) => (
        <label key={field}>
          Column of the {NAMES[field] ?? field}
          <select
            value={named[field] ?? ""}
            onChange={(event) => onChange(withColumn(reading, field, event.currentTarget.value))}
          >
            <option value="">{file.fields[field] === undefined ? "none" : `${file.fields[field]}, by its name`}</option>
            {file.columns.map((column, i) => (
              <option key={`${i}-${column}`} value={column}>
                {column}
              </option>
            ))}
          </select>
        </label>
      ))}
    </div>
  );
}
