import type { EvaluationReport, ReportedRow, SliceTable } from "../evaluation-report.ts";
import { alignedColumns } from "./aligned-columns.ts";
import { figureName, figureText, numberText, percentText } from "./number-text.ts";
import { plainText } from "./plain-text.ts";

// A report in a terminal: what one looks at first. The page and the JSON hold the rest.

/** Lines of tables that would be longer. */
const MOST_LABELS = 20;
const MOST_SLICES = 8;
const MOST_ROWS = 5;
/** A confusion matrix of more labels does not fit. */
const MATRIX_LABELS = 8;
/** Of a label. */
const LABEL_WIDTH = 30;
/** Of a row's text. */
const TEXT_WIDTH = 90;

/** The report as lines, in blocks with a heading each. */
export function reportLines(report: EvaluationReport): string[] {
  return [
    ...block("what to look at", report.findings.map(plainText)),
    ...figures(report),
    ...labels(report),
    ...confusion(report),
    ...nullAnswers(report),
    ...residuals(report),
    ...report.slices.flatMap(sliceLines),
    ...duplicates(report),
    ...rowLines("worst mistakes", report.worst),
    ...rowLines("labels that look wrong", report.labelErrors?.list ?? []),
    ...rowLines("least sure", report.leastSure),
  ].slice(0, -1);
}

function block(heading: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [plainText(heading), ...lines.map((line) => `  ${line}`), ""];
}

function figures({ figures: all, data, resampling }: EvaluationReport): string[] {
  const rows = all.map(({ name, value, low, high }) => [
    figureName(name),
    figureText(name, value),
    `${figureText(name, low)} to ${figureText(name, high)}`,
  ]);
  const heading = `figures of ${data.judged} examples, with 95 % intervals (bootstrap, ${resampling.samples} samples)`;
  return block(heading, alignedColumns(rows));
}

function labels({ classes = [], averages, kind }: EvaluationReport): string[] {
  if (classes.length === 0) return [];
  const shown =
    classes.length <= MOST_LABELS ? classes : [...classes].sort((a, b) => a.f1 - b.f1).slice(0, MOST_LABELS);
  const scores = ({ precision, recall, f1 }: { precision: number; recall: number; f1: number }) =>
    [precision, recall, f1].map((value) => value.toFixed(3));
  const rows = [
    ["label", "precision", "recall", "F1", "examples", "given"],
    ...shown.map((row) => [cut(row.label, LABEL_WIDTH), ...scores(row), String(row.support), String(row.predicted)]),
    ...Object.entries(averages ?? {})
      // With one label each, all counts together give the accuracy three times.
      .filter(([name]) => name !== "micro" || kind === "multi-label")
      .map(([name, row]) => [`(${name} average)`, ...scores(row)]),
  ];
  const heading =
    shown.length < classes.length ? `the ${MOST_LABELS} labels of ${classes.length} that are told worst` : "labels";
  return block(heading, alignedColumns(rows));
}

function confusion({ confusion: found }: EvaluationReport): string[] {
  if (found === undefined) return [];
  const { cells } = found;
  const names = found.labels.map((name) => cut(name, LABEL_WIDTH));
  if (names.length <= MATRIX_LABELS) {
    const count = new Map(cells.map(([right, given, rows]) => [`${right} ${given}`, rows]));
    return block(
      "right label (lines) and the label given (columns)",
      alignedColumns([
        ["", ...names],
        ...names.map((name, right) => [name, ...names.map((_, given) => String(count.get(`${right} ${given}`) ?? 0))]),
      ]),
    );
  }
  const mistakes = cells.filter(([right, given]) => right !== given).sort(([, , a], [, , b]) => b - a);
  const rows = mistakes
    .slice(0, MOST_SLICES)
    .map(([right, given, count]) => [names[right]!, "as", names[given]!, String(count)]);
  return block("most frequent mistakes", alignedColumns(rows));
}

function nullAnswers({ nullAnswers: found }: EvaluationReport): string[] {
  if (found === undefined) return [];
  const { precision, recall, f1, actual, predicted } = found;
  return block("questions without an answer", [
    `${actual} of the data, ${predicted} given; precision ${precision.toFixed(3)}, recall ${recall.toFixed(3)}, F1 ${f1.toFixed(3)}`,
  ]);
}

function residuals({ residuals: found, kind }: EvaluationReport): string[] {
  if (found === undefined) return [];
  const heading =
    kind === "similarity" ? "prediction, put on a line, minus right value" : "prediction minus right value";
  const quantiles = found.quantiles.map(({ share, value }) => `${100 * share} % below ${numberText(value)}`);
  return block(heading, [
    `mean ${numberText(found.mean)}, standard deviation ${numberText(found.standardDeviation)}`,
    quantiles.join(", "),
  ]);
}

function sliceLines({ name, measure, slices }: SliceTable): string[] {
  const text = (value: number) => (measure === "absolute error" ? numberText(value) : percentText(value));
  const rows = slices
    .slice(0, MOST_SLICES)
    .map(({ value, rows: count, score, low, high, exact }) => [
      cut(value, LABEL_WIDTH),
      text(score),
      `${text(low)} to ${text(high)}`,
      ...(exact === undefined ? [] : [`exact ${percentText(exact)}`]),
      `${count} examples`,
    ]);
  const more = slices.length > MOST_SLICES ? [`and ${slices.length - MOST_SLICES} more`] : [];
  return block(`${measure} by ${name}`, [...alignedColumns(rows), ...more]);
}

function duplicates({ duplicates: found }: EvaluationReport): string[] {
  if (found === undefined || found.rows === 0) return [];
  return [
    ...block(
      "in the training data too",
      found.list
        .slice(0, MOST_ROWS)
        .map(
          ({ place, trainingPlace, text, conflicting }) =>
            `${place} as ${trainingPlace}${conflicting ? ", which says otherwise" : ""}: ${cut(text, TEXT_WIDTH)}`,
        ),
    ),
  ];
}

function rowLines(heading: string, rows: readonly ReportedRow[]): string[] {
  return block(
    rows.length > MOST_ROWS ? `${heading}, ${MOST_ROWS} of ${rows.length} listed` : heading,
    rows.slice(0, MOST_ROWS).map(({ place, id, text, right, predicted, confidence }) => {
      const sure = confidence === undefined ? "" : ` (${percentText(confidence)})`;
      const where = place.endsWith(":1") ? id : place;
      return `${where}  ${cut(predicted, LABEL_WIDTH)}${sure}, right: ${cut(right, LABEL_WIDTH)}  ${cut(text, TEXT_WIDTH)}`;
    }),
  );
}

function cut(whole: string, width: number): string {
  const text = plainText(whole);
  return text.length <= width ? text : `${text.slice(0, width - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}
