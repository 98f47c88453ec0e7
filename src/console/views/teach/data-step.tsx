import { useEffect, useRef } from "preact/hooks";
import type { DataRow, ListRowsResponse, ValidateDatasetResponse } from "../../../gen/albert/v1/training_pb.js";
import { datasets } from "../../api.ts";
import { Loaded } from "../../parts/calls/loaded.tsx";
import { Problems } from "../../parts/calls/problems.tsx";
import { useCall } from "../../parts/calls/use-call.ts";
import { FirstRows } from "../../parts/data/first-rows.tsx";
import { LabelBars } from "../../parts/data/label-bars.tsx";
import { ProblemList } from "../../parts/data/problem-list.tsx";
import { readingInAddress, recipeOfReading } from "../../parts/data/reading.ts";
import { ReadingFields } from "../../parts/data/reading-fields.tsx";
import { saveFile } from "../../parts/download.tsx";
import { hrefOf } from "../../parts/words/address.ts";
import { csvOf } from "../../parts/words/texts-of.ts";
import { checkRecipe, type TeachFields } from "./teach-request.ts";

/** Rows of the file that are shown before anything is known of them. */
const FIRST = 5;

/** The chosen data: its first rows, its columns, and whether every row can be used. */
export function DataStep({
  fields,
  against,
  set,
  onReport,
}: {
  readonly fields: TeachFields;
  /** The model that the data must suit; empty: none is known yet. */
  readonly against: string;
  readonly set: (change: Partial<TeachFields>) => void;
  readonly onReport: (report: ValidateDatasetResponse | undefined) => void;
}) {
  const { data, reading } = fields;
  return (
    <Loaded
      key={reading.separator}
      what="the first rows"
      read={(signal) =>
        datasets.listRows(
          { source: { dataset: data }, recipe: recipeOfReading({ ...reading, columns: "" }), pageSize: FIRST },
          { signal },
        )
      }
    >
      {(file: ListRowsResponse) => (
        <>
          <FirstRows file={file} />
          <ReadingFields reading={reading} file={file} onChange={(next) => set({ reading: next })} />
          <Checked fields={fields} against={against} set={set} onReport={onReport} />
        </>
      )}
    </Loaded>
  );
}

function Checked({
  fields,
  against,
  set,
  onReport,
}: {
  readonly fields: TeachFields;
  /** The version that the data must suit; empty: none is known yet. */
  readonly against: string;
  readonly set: (change: Partial<TeachFields>) => void;
  readonly onReport: (report: ValidateDatasetResponse | undefined) => void;
}) {
  const { data, reading, skip } = fields;
  const source = { dataset: data };
  const [check, validate] = useCall(async (signal) => {
    onReport(undefined);
    const question = { source, task: reading.task, model: against, recipe: checkRecipe(fields) };
    const report = await datasets.validateDataset(question, { signal });
    onReport(report);
    return report;
  });
  const asked = JSON.stringify([reading, against, skip]);
  useEffect(() => void validate(), [validate, asked]);
  /** The report before, which stays while another is made. */
  const last = useRef<ValidateDatasetResponse | undefined>(undefined);
  const [saving, save] = useCall(async (signal) => {
    const rows: DataRow[] = [];
    for (let offset = 0; ; offset = rows.length) {
      const question = { source, task: reading.task, recipe: recipeOfReading(reading), problem: "any", offset };
      const reply = await datasets.listRows({ ...question, pageSize: 1000 }, { signal });
      rows.push(...reply.rows);
      if (reply.rows.length === 0 || rows.length >= reply.matching) break;
    }
    saveFile("problems.csv", "text/csv", [
      csvOf([["row", "line", "problem", "what to do", "text"], ...rows.flatMap(problemRows)]),
    ]);
  });
  if (check.state === "failed") return <Problems problems={check.problems} />;
  if (check.state === "done") last.current = check.value;
  const report = last.current;
  if (report === undefined) return <p class="muted">Checking every row …</p>;
  const share = Math.ceil((1e6 * report.rowsRejected) / Math.max(1, report.rowsRead)) / 1e6;
  const isWrong = report.issues.some(({ severity }) => severity !== "note");
  return (
    <>
      <div class="bench">
        <section aria-label="Labels of the data">
          <LabelBars counts={report.labelCounts} />
        </section>
        <section aria-label="Problems of the data">
          <ProblemList report={report} />
        </section>
      </div>
      {isWrong && (
        <div class="actions">
          {report.rowsRejected > 0 && (
            <label class="check">
              <input
                type="checkbox"
                checked={skip !== ""}
                onChange={(event) => set({ skip: event.currentTarget.checked ? String(share) : "" })}
              />
              Leave out the {report.rowsRejected === 1 ? "row" : `${report.rowsRejected} rows`} that cannot be used
            </label>
          )}
          <a href={hrefOf("data", { of: data, ...readingInAddress(reading), problem: "any" })}>Mend them under Data</a>
          <button type="button" class="quiet" aria-busy={saving.state === "running"} onClick={() => void save()}>
            Download them
          </button>
          {saving.state === "failed" && <Problems problems={saving.problems} />}
        </div>
      )}
    </>
  );
}

/** A line for each problem of a row. */
function problemRows({ number, line, text, cells, problems }: DataRow): string[][] {
  const whole = text === "" ? cells.map(({ value }) => value).join(" | ") : text;
  return problems.map(({ kind, detail, hint }) => [String(number), String(line), `${kind}: ${detail}`, hint, whole]);
}
