import type { Duplicates, EvaluationReport, ReportedRow, SliceTable } from "../evaluation-report.ts";
import { type Markup, markup, NOTHING, tableMarkup } from "./markup.ts";
import { figureName, figureText, lessIsBetter, numberText, percentText } from "./number-text.ts";
import { curvesPlot, intervalBar, reliabilityPlot, residualPlot, scatterPlot } from "./plots.ts";

// The parts of a report as HTML, for a page of its own and for the console.

/** A matrix of more labels is told by its most frequent mistakes. */
const MATRIX_LABELS = 24;
const MISTAKES = 30;
/** Labels of a table; of more, those that are told worst. */
const MOST_LABELS = 200;

/** What was answered, by which model, on which data, in one line. */
export function reportSummary({ task, model, data, resampling }: EvaluationReport): string {
  return [
    `task ${task}`,
    ...(model === undefined ? [] : [`model ${model.digest.slice(0, 12)}`]),
    ...(data.digest === undefined ? [] : [`data ${data.digest.slice(0, 12)}`]),
    `${data.judged} of ${data.examples} examples have a right answer`,
    `95 % intervals by ${resampling.samples} bootstrap samples (seed ${resampling.seed})`,
  ].join(" · ");
}

/** One part of a report. */
export interface ReportSection {
  readonly id: string;
  readonly heading: string;
  readonly body: Markup;
}

/** Every part of a report that says something, in the order in which a person reads them; texts of the data are escaped. */
export function reportSections(report: EvaluationReport): ReportSection[] {
  return allSections(report).filter(({ body }) => body.html !== "");
}

function allSections(report: EvaluationReport): ReportSection[] {
  const { labelErrors, duplicates } = report;
  return [
    { id: "look", heading: "What to look at", body: findings(report) },
    { id: "figures", heading: "Figures", body: figures(report) },
    { id: "labels", heading: "Labels", body: labels(report) },
    { id: "confusion", heading: "Mistakes by label", body: confusion(report) },
    { id: "curves", heading: "Curves", body: curves(report) },
    { id: "certainty", heading: "Certainty", body: certainty(report) },
    { id: "thresholds", heading: "Thresholds", body: thresholds(report) },
    { id: "nothing", heading: "Questions without an answer", body: nullAnswers(report) },
    { id: "residuals", heading: "Distances", body: residuals(report) },
    { id: "slices", heading: "Parts of the data", body: slices(report.slices) },
    { id: "worst", heading: "Worst mistakes", body: rows("Wrong answers, the highest loss first", report.worst) },
    {
      id: "wrong-labels",
      heading: "Labels that look wrong",
      body: rows(
        `${labelErrors?.rows ?? 0} rows, found by confident learning (Northcutt, Jiang and Chuang 2021), the likeliest first`,
        labelErrors?.list ?? [],
      ),
    },
    { id: "unsure", heading: "Least sure", body: rows("The closest decisions first", report.leastSure) },
    {
      id: "duplicates",
      heading: "In the training data too",
      body: duplicates === undefined ? NOTHING : known(duplicates),
    },
  ];
}

function findings({ findings: found }: EvaluationReport): Markup {
  return found.length === 0 ? NOTHING : markup`<ul>${found.map((text) => markup`<li>${text}</li>`)}</ul>`;
}

function figures({ figures: all }: EvaluationReport): Markup {
  if (all.length === 0) return NOTHING;
  const isShare = (name: string) => !lessIsBetter(name) || name === "expected_calibration_error";
  return tableMarkup(
    "Figures with their 95 % intervals",
    ["figure", "value", "from", "to", "0 to 1", "better"],
    all.map((figure) => [
      figureName(figure.name),
      figureText(figure.name, figure.value),
      figureText(figure.name, figure.low),
      figureText(figure.name, figure.high),
      isShare(figure.name) ? intervalBar(figure) : "",
      lessIsBetter(figure.name) ? "less" : "more",
    ]),
  );
}

function labels({ classes = [], averages }: EvaluationReport): Markup {
  if (classes.length === 0) return NOTHING;
  const shown =
    classes.length <= MOST_LABELS ? classes : [...classes].sort((a, b) => a.f1 - b.f1).slice(0, MOST_LABELS);
  const area = (value: number | undefined) => (value === undefined ? "" : value.toFixed(3));
  const three = (row: { precision: number; recall: number; f1: number }) =>
    [row.precision, row.recall, row.f1].map((value) => value.toFixed(3));
  return scrolling(
    tableMarkup(
      shown.length < classes.length
        ? `The ${MOST_LABELS} labels of ${classes.length} that are told worst`
        : "Every label against the rest",
      ["label", "precision", "recall", "F1", "examples", "given", "ROC area", "average precision"],
      [
        ...shown.map((row) => [
          row.label,
          ...three(row),
          row.support,
          row.predicted,
          area(row.rocAuc),
          area(row.averagePrecision),
        ]),
        ...Object.entries(averages ?? {}).map(([name, row]) => [`${name} average`, ...three(row), "", "", "", ""]),
      ],
    ),
  );
}

function confusion({ confusion: found }: EvaluationReport): Markup {
  if (found === undefined) return NOTHING;
  const { labels: names, cells } = found;
  const mistakes = cells.filter(([right, given]) => right !== given).sort(([, , a], [, , b]) => b - a);
  const list =
    mistakes.length === 0 || names.length <= 2
      ? NOTHING
      : tableMarkup(
          "Most frequent mistakes",
          ["right", "given", "examples"],
          mistakes.slice(0, MISTAKES).map(([right, given, count]) => [names[right]!, names[given]!, count]),
        );
  if (names.length > MATRIX_LABELS) return list;
  const counts = new Map(cells.map(([right, given, count]) => [right * names.length + given, count]));
  const matrix = markup`<table><caption>Right labels in rows, given labels in columns</caption><thead><tr><td></td>${names.map((name) => markup`<th scope="col">${name}</th>`)}</tr></thead><tbody>${names.map(
    (name, right) =>
      markup`<tr><th scope="row">${name}</th>${names.map((_, given) => {
        const count = counts.get(right * names.length + given) ?? 0;
        const kind = count === 0 ? "" : right === given ? "hit" : "miss";
        return markup`<td class="${kind}">${count}</td>`;
      })}</tr>`,
  )}</tbody></table>`;
  return markup`${scrolling(matrix)}${list}`;
}

function curves({ curves: found = [] }: EvaluationReport): Markup {
  if (found.length === 0) return NOTHING;
  const legend =
    found.length === 1
      ? `For the label ${found[0]!.label}.`
      : `For the labels ${found.map(({ label }) => label).join(", ")}.`;
  return markup`<p class="soft">${legend}</p><div class="plots">${curvesPlot(found, "roc")}${curvesPlot(found, "precisionRecall")}</div>`;
}

function certainty({ reliability = [], coverage = [] }: EvaluationReport): Markup {
  if (reliability.length === 0) return NOTHING;
  return markup`<div class="plots">${reliabilityPlot(reliability)}<div>${tableMarkup(
    "If only answers that are sure enough were given",
    ["at least", "answers", "of all", "right"],
    coverage.map(({ confidence, rows: count, share, accuracy }) => [
      percentText(confidence),
      count,
      percentText(share),
      percentText(accuracy),
    ]),
  )}</div></div><details><summary>The bins as a table</summary>${tableMarkup(
    "Probability and share of right answers",
    ["probability", "answers", "mean probability", "right"],
    reliability.map(({ from, to, rows: count, confidence, accuracy }) => [
      `${percentText(from)} to ${percentText(to)}`,
      count,
      percentText(confidence),
      percentText(accuracy),
    ]),
  )}</details>`;
}

function thresholds({ thresholds: found = [] }: EvaluationReport): Markup {
  return markup`${found.map(
    ({ label, rows: all, best }) =>
      markup`<details><summary>${label}: best F1 ${best.f1.toFixed(3)} from ${best.threshold.toFixed(3)}</summary>${tableMarkup(
        `Given "${label}" from a probability on`,
        ["from", "precision", "recall", "F1", "given"],
        all.map(({ threshold, precision, recall, f1, given }) => [
          threshold.toFixed(2),
          ...[precision, recall, f1].map((value) => value.toFixed(3)),
          percentText(given),
        ]),
      )}</details>`,
  )}`;
}

function nullAnswers({ nullAnswers: found }: EvaluationReport): Markup {
  if (found === undefined) return NOTHING;
  const { precision, recall, f1, actual, predicted } = found;
  return tableMarkup(
    "How well it knows that the text holds no answer",
    ["", "in the data", "given", "precision", "recall", "F1"],
    [["no answer", actual, predicted, ...[precision, recall, f1].map((value) => value.toFixed(3))]],
  );
}

function residuals({ residuals: found, kind }: EvaluationReport): Markup {
  if (found === undefined) return NOTHING;
  const note =
    kind === "similarity"
      ? markup`<p class="soft">The values have a scale of their own: a straight line through all of them puts them on that of the right ones.</p>`
      : NOTHING;
  return markup`${note}<div class="plots">${scatterPlot(found)}${residualPlot(found)}</div>${tableMarkup(
    "Predicted minus right value",
    ["mean", "standard deviation", ...found.quantiles.map(({ share }) => percentText(share))],
    [
      [
        numberText(found.mean),
        numberText(found.standardDeviation),
        ...found.quantiles.map(({ value }) => numberText(value)),
      ],
    ],
  )}`;
}

function slices(tables: readonly SliceTable[]): Markup {
  return markup`${tables.map(({ name, measure, slices: parts }) => {
    const text = (value: number) => (measure === "absolute error" ? numberText(value) : percentText(value));
    const hasExact = parts.some(({ exact }) => exact !== undefined);
    return tableMarkup(
      `${measure} by ${name}`,
      [name, "examples", measure, "from", "to", ...(hasExact ? ["exact match"] : [])],
      parts.map(({ value, rows: count, score, low, high, exact }) => [
        value,
        count,
        ...[score, low, high].map(text),
        ...(hasExact ? [exact === undefined ? "" : percentText(exact)] : []),
      ]),
    );
  })}`;
}

function rows(caption: string, list: readonly ReportedRow[]): Markup {
  if (list.length === 0) return NOTHING;
  return rowTable(caption, list, []);
}

function known({ trainingExamples, rows: count, conflicting, scoreWithout, list }: Duplicates): Markup {
  const summaryText = `${count} examples are among the ${trainingExamples} of the training data, ${conflicting} with another answer there.`;
  const without = scoreWithout === undefined ? "" : ` Without them: ${numberText(scoreWithout)}.`;
  if (list.length === 0) return markup`<p>${summaryText}</p>`;
  const places = list.map(
    ({ trainingPlace, conflicting: other }) => `${trainingPlace}${other ? " (another answer)" : ""}`,
  );
  return markup`<p>${summaryText}${without}</p>${rowTable("Those with another answer first", list, places)}`;
}

function rowTable(caption: string, list: readonly ReportedRow[], further: readonly string[]): Markup {
  const extra = further.length > 0 ? [markup`<th scope="col">in training</th>`] : [];
  return scrolling(
    markup`<table><caption>${caption}</caption><thead><tr><th scope="col">where</th><th scope="col" class="text">text</th><th scope="col">right</th><th scope="col">given</th><th scope="col">sure</th><th scope="col">loss</th>${extra}</tr></thead><tbody>${list.map(
      ({ place, id, text, right, predicted, confidence, loss }, i) =>
        markup`<tr><th scope="row">${place} ${id.startsWith("row-") ? "" : id}</th><td class="text">${text}</td><td>${right}</td><td>${predicted}</td><td>${confidence === undefined ? "" : percentText(confidence)}</td><td>${numberText(loss)}</td>${
          further.length > 0 ? markup`<td>${further[i] ?? ""}</td>` : NOTHING
        }</tr>`,
    )}</tbody></table>`,
  );
}

function scrolling(inside: Markup): Markup {
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="table">${inside}</div>`;
}
