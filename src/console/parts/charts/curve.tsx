import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

// Draws one curve of a job.

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
    const element = box.current;
    if (element === null) return;
    const style = getComputedStyle(element);
    const axis = {
      stroke: style.getPropertyValue("--muted"),
      grid: { stroke: style.getPropertyValue("--line"), width: 1 },
      ticks: { show: false },
      size: 40,
    };
    const chart = new uPlot(
      {
        width: element.clientWidth,
        height: 150,
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: false }, y: { range: aroundValues } },
        axes: [
          { ...axis, size: 26 },
          { ...axis, size: 58, values: (_, marks) => marks.map(mark) },
        ],
        series: [{}, { stroke: style.getPropertyValue("--accent"), width: 2 }],
      },
      [[], []],
      element,
    );
    plot.current = chart;
    const observer = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: 150 }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      chart.destroy();
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

/** A mark of an axis with as many digits as it needs. */
function mark(value: number): string {
  return value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

function formatValue(value: number, digits: number): string {
  return Math.abs(value) > 0 && Math.abs(value) < 1e-3 ? value.toExponential(2) : value.toFixed(digits);
}
