import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { LINE_COLOURS, LineNames } from "./curves-over.tsx";
import { drawLines } from "./draw-lines.ts";
import type { RunLine } from "./run-lines.ts";

// Draws one curve of a job.

const HEIGHT = 150;

/**
 * One quantity over the steps of a job, with a line for each of its runs. The newest value is also written out, of several runs that of
 * each, for those who do not see the lines.
 */
export function Curve({
  title,
  lines,
  digits = 4,
}: {
  readonly title: string;
  readonly lines: readonly RunLine[];
  readonly digits?: number;
}) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const count = Math.max(1, lines.length);
  useEffect(() => {
    if (box.current === null) return;
    const { chart, remove } = drawLines(box.current, {
      height: HEIGHT,
      lines: Array.from({ length: count }, (_, i) =>
        count === 1 ? { colour: "--accent" } : { colour: LINE_COLOURS[i % LINE_COLOURS.length]!, spanGaps: true },
      ),
      data: dataOf(lines),
      further: { cursor: { show: false } },
      range: aroundValues,
    });
    plot.current = chart;
    return () => {
      remove();
      plot.current = undefined;
    };
  }, [count]);
  useEffect(() => plot.current?.setData(dataOf(lines)), [lines]);
  const last = lines.at(-1)?.values.at(-1);
  return (
    <figure class="curve">
      <figcaption>
        {title} <b>{last === undefined ? "–" : formatValue(last, digits)}</b>
      </figcaption>
      <div ref={box} style={{ minHeight: `${HEIGHT}px` }} aria-hidden="true" />
      {lines.length > 1 && (
        <LineNames
          lines={lines.map(({ run, values }, colour) => ({
            ...{ name: run, colour },
            value: formatValue(values.at(-1) ?? Number.NaN, digits),
          }))}
        />
      )}
    </figure>
  );
}

/** Steps, and below them the values of each line, with gaps where it has none. */
function dataOf(lines: readonly RunLine[]): uPlot.AlignedData {
  if (lines.length === 0) return [[], []];
  return uPlot.join(lines.map(({ steps, values }): uPlot.AlignedData => [[...steps], [...values]]));
}

/** A line that does not move gets room above and below; others the ordinary range. */
function aroundValues(_: uPlot, low: number | null, high: number | null): uPlot.Range.MinMax {
  if (low === null || high === null) return [0, 1];
  if (low < high) return uPlot.rangeNum(low, high, 0.1, true);
  const room = Math.abs(low) * 0.1 || 1;
  return [low - room, high + room];
}

function formatValue(value: number, digits: number): string {
  return Math.abs(value) > 0 && Math.abs(value) < 1e-3 ? value.toExponential(2) : value.toFixed(digits);
}
