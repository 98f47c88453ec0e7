import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { drawLines } from "./draw-lines.ts";

// Draws one curve of a job.

const HEIGHT = 150;

export interface CurvePoint {
  readonly step: number;
  readonly value: number;
}

/** One quantity over the steps of a job. The newest value is also written out, for those who do not see the line. */
export function Curve({
  title,
  points,
  digits = 4,
}: {
  readonly title: string;
  readonly points: readonly CurvePoint[];
  readonly digits?: number;
}) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  useEffect(() => {
    if (box.current === null) return;
    const { chart, remove } = drawLines(box.current, {
      height: HEIGHT,
      lines: [{ colour: "--accent" }],
      data: [[], []],
      further: { cursor: { show: false } },
      range: aroundValues,
    });
    plot.current = chart;
    return () => {
      remove();
      plot.current = undefined;
    };
  }, []);
  useEffect(() => {
    plot.current?.setData([points.map((point) => point.step), points.map((point) => point.value)]);
  }, [points]);
  const last = points.at(-1);
  return (
    <figure class="curve">
      <figcaption>
        {title} <b>{last === undefined ? "–" : formatValue(last.value, digits)}</b>
      </figcaption>
      <div ref={box} aria-hidden="true" />
    </figure>
  );
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
