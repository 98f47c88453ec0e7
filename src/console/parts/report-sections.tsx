import { type EvaluationReport, REPORT_FORMAT } from "../../report/evaluation-report.ts";
import { reportPage } from "../../report/render/page.ts";
import { reportSections, reportSummary } from "../../report/render/sections.ts";
import { Download } from "./download.tsx";

/** Parts that a person opens when they want them. */
const CLOSED: ReadonlySet<string> = new Set(["curves", "thresholds", "unsure", "duplicates"]);

/** An evaluation's report, part by part, as its own page shows it, and both of its files. */
export function ReportSections({ json, file }: { readonly json: string; readonly file: string }) {
  const report = JSON.parse(json) as EvaluationReport;
  if (report.formatVersion !== REPORT_FORMAT) {
    return <p class="empty">This report is of another format ({report.formatVersion}): evaluate the version again.</p>;
  }
  return (
    <>
      <p class="muted">{reportSummary(report)}</p>
      <div class="actions">
        <Download name={`${file}.html`} type="text/html" text={() => reportPage(report)}>
          Save as a page
        </Download>
        <Download name={`${file}.json`} type="application/json" text={() => json}>
          Save as JSON
        </Download>
      </div>
      {reportSections(report).map(({ id, heading, body }) => (
        <details key={id} class="report-part" open={!CLOSED.has(id)}>
          <summary>
            <h3>{heading}</h3>
          </summary>
          {/* Made of escaped parts, by the code that writes a report's page. */}
          <div dangerouslySetInnerHTML={{ __html: body.html }} />
        </details>
      ))}
    </>
  );
}
