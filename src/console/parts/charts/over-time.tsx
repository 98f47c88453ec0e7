import { useEffect, useRef } from "preact/hooks";
import type uPlot from "uplot";
import { drawLines } from "./draw-lines.ts";

// Draws how numbers went in the last minutes, with axes.

const HEIGHT = 200;

/** One number over time. */
export interface TimeLine {
  readonly name: string;
  /** Name of a style property. */
  readonly colour: string;
  /** Oldest first; NaN where there was nothing to say. */
  readonly values: readonly number[];
}

/** Lines over the seconds before now; names and newest values stand below, for those who do not see the lines. */
export function OverTime({
  title,
  unit,
  lines,
  intervalSeconds,
  span,
}: {
  readonly title: string;
  /** What the axis counts. */
  readonly unit: string;
  readonly lines: readonly TimeLine[];
  readonly intervalSeconds: number;
  /** Seconds that the chart goes back. */
  readonly span: number;
}) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  useEffect(() => {
    if (box.current === null) return;
    const { chart, remove } = drawLines(box.current, {
      height: HEIGHT,
      lines: lines.map(({ colour }) => ({ colour })),
      data: dataOf(lines, intervalSeconds),
      further: { cursor: { show: false } },
      range: fromZero,
      across: { range: [-span, 0] },
    });
    plot.current = chart;
    return () => {
      remove();
      plot.current = undefined;
    };
  }, []);
  useEffect(() => plot.current?.setData(dataOf(lines, intervalSeconds)), [lines]);
  return (
    <figure class="card curve over-time">
      <figcaption>
        <b>{title}</b> <span>{unit}, by seconds before now</span>
      </figcaption>
      <div ref={box} style={{ minHeight: `${HEIGHT}px` }} aria-hidden="true" />
      <ul class="curve-names">
        {lines.map(({ name, colour, values }) => (
          <li key={name}>
            <span class="swatch" style={{ background: `var(${colour})` }} aria-hidden="true" />
            {name} <b>{textOf(values.at(-1))}</b>
          </li>
        ))}
      </ul>
    </figure>
  );
}

function dataOf(lines: readonly TimeLine[], intervalSeconds: number): uPlot.AlignedData {
  const count = lines[0]?.values.length ?? 0;
  return [
    Array.from({ length: count }, (_, i) => (i - count + 1) * intervalSeconds),
    ...lines.map(({ values }) => values.map((value) => (Number.isFinite(value) ? value : null))),
  ];
}

function textOf(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? "–" : String(Number(value.toPrecision(3)));
}

function fromZero(_: uPlot, _low: number | null, high: number | null): uPlot.Range.MinMax {
  return [0, high === null || high <= 0 ? 1 : high * 1.1];
}
