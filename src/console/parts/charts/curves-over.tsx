import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

// Draws one quantity of several runs over each other.

const HEIGHT = 190;
const COLOURS = ["--stage-5", "--stage-2", "--stage-3", "--stage-6", "--stage-4", "--stage-1"];

export interface NamedLine {
  readonly name: string;
  /** Which of the colours it has. */
  readonly colour: number;
  readonly steps: readonly number[];
  readonly values: readonly number[];
}

/** Lines over the same steps; their names and last values stand below, for those who do not see the colours too. */
export function CurvesOver({ title, lines }: { readonly title: string; readonly lines: readonly NamedLine[] }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const style = getComputedStyle(element);
    const axis = {
      stroke: style.getPropertyValue("--muted"),
      grid: { stroke: style.getPropertyValue("--line"), width: 1 },
      ticks: { show: false },
    };
    const tables = lines.map(({ steps, values }): uPlot.AlignedData => [[...steps], [...values]]);
    const chart = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        scales: { x: { time: false } },
        axes: [
          { ...axis, size: 26 },
          { ...axis, size: 58, values: (_, marks) => marks.map((mark) => String(Number(mark.toPrecision(3)))) },
        ],
        series: [
          {},
          ...lines.map(({ colour }) => ({
            stroke: style.getPropertyValue(COLOURS[colour % COLOURS.length]!),
            width: 2,
            spanGaps: true,
          })),
        ],
      },
      uPlot.join(tables),
      element,
    );
    const observer = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      chart.destroy();
    };
  }, [lines]);
  return (
    <figure class="curve">
      <figcaption>{title}</figcaption>
      <div ref={box} aria-hidden="true" />
      <ul class="curve-names">
        {lines.map(({ name, colour, values }) => (
          <li key={name}>
            <span
              class="swatch"
              style={{ background: `var(${COLOURS[colour % COLOURS.length]})` }}
              aria-hidden="true"
            />
            {name} <b>{Number((values.at(-1) ?? Number.NaN).toPrecision(4))}</b>
          </li>
        ))}
      </ul>
    </figure>
  );
}
