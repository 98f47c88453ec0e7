import type { EvaluationReport, SliceTable } from "./evaluation-report.ts";
import { percentText } from "./render/number-text.ts";

// What a reader of a report should look at first, in sentences.

/** Slices of fewer rows than these say too little. */
const FEWEST_ROWS = 20;
/** Probabilities this far from frequencies mislead. */
const NOTABLE_CALIBRATION_ERROR = 0.05;
/** Sentences about slices; the tables tell the rest. */
const MOST_SLICES = 3;

/** The findings of a report, the most important first. */
export function findingsOf(report: Omit<EvaluationReport, "findings">): string[] {
  if (report.data.judged === 0) return ["no example has a right answer to compare with"];
  return [
    ...duplicates(report),
    ...size(report),
    ...weakestLabel(report),
    ...weakSlices(report),
    ...labelErrors(report),
    ...calibration(report),
  ];
}

function duplicates({ duplicates: found, data }: Omit<EvaluationReport, "findings">): string[] {
  if (found === undefined || found.rows === 0) return [];
  const conflict = found.conflicting === 0 ? "" : `, ${found.conflicting} of them with another answer there`;
  return [
    `${found.rows} of ${data.judged} examples are in the training data too${conflict}: the figures are better than they would be on new data`,
  ];
}

function size({ figures, data, kind }: Omit<EvaluationReport, "findings">): string[] {
  const [first] = figures;
  if (first === undefined || kind === "regression" || kind === "similarity" || first.high - first.low < 0.1) return [];
  return [
    `${data.judged} examples tell the ${first.name} only to within ${percentText(first.low)} and ${percentText(first.high)}: more examples tell more`,
  ];
}

function weakestLabel({ classes = [], confusion }: Omit<EvaluationReport, "findings">): string[] {
  const occurring = classes.filter(({ support }) => support > 0);
  const [weakest] = [...occurring].sort((a, b) => a.f1 - b.f1);
  if (weakest === undefined || occurring.length < 2 || weakest.f1 === 1) return [];
  const id = confusion?.labels.indexOf(weakest.label);
  const mistakes = confusion?.cells.filter(([right, given]) => right === id && given !== id) ?? [];
  const [worst] = [...mistakes].sort(([, , a], [, , b]) => b - a);
  const instead =
    worst === undefined
      ? ""
      : `; ${worst[2]} of its ${weakest.support} are given ${JSON.stringify(confusion!.labels[worst[1]])} instead`;
  return [`label ${JSON.stringify(weakest.label)} is told worst, with F1 ${weakest.f1.toFixed(3)}${instead}`];
}

/** Slices whose interval lies on the wrong side of the score of all rows. */
function weakSlices({ slices }: Omit<EvaluationReport, "findings">): string[] {
  const found = slices.flatMap((table) => {
    if (table.name === "label") return []; // told by label
    const overall = overallScore(table);
    const isError = table.measure === "absolute error";
    return table.slices
      .filter(({ rows, low, high }) => rows >= FEWEST_ROWS && (isError ? low > overall : high < overall))
      .map((slice) => ({ table, slice, overall, gap: Math.abs(slice.score - overall) }));
  });
  return found
    .sort((a, b) => b.gap - a.gap)
    .slice(0, MOST_SLICES)
    .map(({ table, slice, overall }) => {
      const text = (value: number) =>
        table.measure === "absolute error" ? String(Number(value.toPrecision(3))) : percentText(value);
      return `where ${table.name} is ${slice.value}, ${table.measure} is ${text(slice.score)} (${slice.rows} examples), over all ${text(overall)}`;
    });
}

function overallScore({ slices }: SliceTable): number {
  const rows = slices.reduce((sum, slice) => sum + slice.rows, 0);
  return slices.reduce((sum, slice) => sum + slice.rows * slice.score, 0) / rows;
}

function labelErrors({ labelErrors: found }: Omit<EvaluationReport, "findings">): string[] {
  if (found === undefined || found.rows === 0) return [];
  const what = found.rows === 1 ? "1 label looks" : `${found.rows} labels look`;
  return [`${what} wrong: read those rows and correct them before anything else`];
}

function calibration({ figures, reliability }: Omit<EvaluationReport, "findings">): string[] {
  const error = figures.find(({ name }) => name === "expected_calibration_error");
  if (error === undefined || reliability === undefined || error.low < NOTABLE_CALIBRATION_ERROR) return [];
  const total = reliability.reduce((sum, { rows }) => sum + rows, 0);
  const mean = (key: "confidence" | "accuracy") =>
    reliability.reduce((sum, bin) => sum + bin.rows * bin[key], 0) / total;
  const [confidence, accuracy] = [mean("confidence"), mean("accuracy")];
  const how = confidence > accuracy ? "surer than they are right" : "less sure than they are right";
  return [
    `answers are ${how} (mean probability ${percentText(confidence)}, right ${percentText(accuracy)}): albert calibrate fits them`,
  ];
}
