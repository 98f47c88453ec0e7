import type { EvaluationReport, RankingCurves, ReliabilityBin, Residuals } from "../evaluation-report.ts";
import { type Markup, markup } from "./markup.ts";
import { numberText, percentText } from "./number-text.ts";

// The plots of a report as SVG inside of a page. Each says in words what it shows; colours are the page's.

const SIZE = 260;
const EDGE = 36;
const INNER = SIZE - 2 * EDGE;
/** Colours of lines in one plot. */
const COLOURS = 5;

type Point = readonly [x: number, y: number];

/** How often answers are right against how sure they are, with the diagonal on which the two agree. */
export function reliabilityPlot(bins: readonly ReliabilityBin[]): Markup {
  const bars = bins.map(({ from, to, accuracy, rows, confidence }) => {
    const [x, y] = at([from, accuracy]);
    const title = `${percentText(from)} to ${percentText(to)}: ${rows} answers, sure ${percentText(confidence)}, right ${percentText(accuracy)}`;
    return markup`<rect class="bar" x="${round(x)}" y="${round(y)}" width="${round((to - from) * INNER - 1)}" height="${round(SIZE - EDGE - y)}"><title>${title}</title></rect>`;
  });
  return plot("Share of right answers by probability", ["probability", "right"], markup`${bars}${diagonal()}`);
}

/** The ROC curves, or the precision-recall curves, of all labels. */
export function curvesPlot(curves: readonly RankingCurves[], which: "roc" | "precisionRecall"): Markup {
  const lines = curves.map((curve, i) => {
    const points = curve[which].map(at).map(([x, y]) => `${round(x)},${round(y)}`);
    return markup`<polyline class="line c${i % COLOURS}" points="${points.join(" ")}"><title>${curve.label}</title></polyline>`;
  });
  return which === "roc"
    ? plot("ROC curves", ["false positive rate", "true positive rate"], markup`${diagonal()}${lines}`)
    : plot("Precision-recall curves", ["recall", "precision"], markup`${lines}`);
}

/** Predicted against right values. */
export function scatterPlot({ points }: Residuals): Markup {
  const values = points.flat();
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const scaled = (value: number) => (most === least ? 0.5 : (value - least) / (most - least));
  const dots = points.map(([right, predicted]) => {
    const [x, y] = at([scaled(right), scaled(predicted)]);
    return markup`<circle class="dot" cx="${round(x)}" cy="${round(y)}" r="2"></circle>`;
  });
  const ends: readonly [string, string] = [numberText(least), numberText(most)];
  return plot("Predicted against right values", ["right", "predicted"], markup`${diagonal()}${dots}`, ends);
}

/** How often each distance from the right value occurs. */
export function residualPlot({ histogram }: Residuals): Markup {
  const highest = Math.max(...histogram.map(({ rows }) => rows));
  const width = INNER / histogram.length;
  const bars = histogram.map(({ from, to, rows }, i) => {
    const height = (rows / highest) * INNER;
    const title = `${numberText(from)} to ${numberText(to)}: ${rows}`;
    return markup`<rect class="bar" x="${round(EDGE + i * width)}" y="${round(SIZE - EDGE - height)}" width="${round(width - 1)}" height="${round(height)}"><title>${title}</title></rect>`;
  });
  const ends: readonly [string, string] = [numberText(histogram[0]?.from ?? 0), numberText(histogram.at(-1)?.to ?? 0)];
  return plot("Predicted minus right values", ["difference", "examples"], markup`${bars}`, ends);
}

/** A figure's value and interval on a line from 0 to 1. */
export function intervalBar({ value, low, high }: EvaluationReport["figures"][number]): Markup {
  const width = 120;
  const x = (share: number) => round(2 + Math.max(0, Math.min(1, share)) * (width - 4));
  return markup`<svg class="interval" viewBox="0 0 ${width} 12" width="${width}" height="12" aria-hidden="true"><line class="axis" x1="2" x2="${width - 2}" y1="6" y2="6"></line><line class="span" x1="${x(low)}" x2="${x(high)}" y1="6" y2="6"></line><circle class="dot" cx="${x(value)}" cy="6" r="3"></circle></svg>`;
}

function plot(
  title: string,
  [xName, yName]: readonly [string, string],
  inside: Markup,
  [least, most]: readonly [string, string] = ["0", "1"],
): Markup {
  const end = SIZE - EDGE;
  return markup`<figure><svg class="plot" viewBox="0 0 ${SIZE} ${SIZE}" role="img" aria-label="${title}"><path class="axis" d="M${EDGE},${EDGE}V${end}H${end}"></path>${inside}<text x="${EDGE}" y="${end + 14}">${least}</text><text x="${end}" y="${end + 14}" text-anchor="end">${most}</text><text x="${SIZE / 2}" y="${SIZE - 6}" text-anchor="middle">${xName}</text><text x="12" y="${SIZE / 2}" text-anchor="middle" transform="rotate(-90 12 ${SIZE / 2})">${yName}</text></svg><figcaption>${title}</figcaption></figure>`;
}

function diagonal(): Markup {
  return markup`<path class="guide" d="M${EDGE},${SIZE - EDGE}L${SIZE - EDGE},${EDGE}"></path>`;
}

function at([x, y]: Point): Point {
  return [EDGE + x * INNER, SIZE - EDGE - y * INNER];
}

function round(value: number): number {
  return Number(value.toFixed(1));
}
