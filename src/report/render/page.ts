import type { EvaluationReport } from "../evaluation-report.ts";
import { markup } from "./markup.ts";
import { PAGE_STYLE } from "./page-style.ts";
import { reportSections, reportSummary } from "./sections.ts";

// A report as one HTML file that needs nothing else: no script, no font, no image is loaded, and its policy forbids it.

const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

/** The report as a page. Texts of the data are escaped. */
export function reportPage(report: EvaluationReport): string {
  const name = report.model?.name ?? "model";
  const title = `${name} on ${report.data.name ?? report.task}`;
  const sections = reportSections(report);
  const { html } = markup`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><meta http-equiv="Content-Security-Policy" content="${POLICY}"><title>${title}</title><style>${{ html: PAGE_STYLE }}</style></head>
<body><header><h1>${title}</h1><p class="soft">${reportSummary(report)}</p></header>
<nav aria-label="Parts of this report">${sections.map(({ id, heading }) => markup`<a href="#${id}">${heading}</a>`)}</nav>
<main>${sections.map(
    ({ id, heading, body }) => markup`<section aria-labelledby="${id}"><h2 id="${id}">${heading}</h2>${body}</section>
`,
  )}</main></body></html>
`;
  return html;
}
