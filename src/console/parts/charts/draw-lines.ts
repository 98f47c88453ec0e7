import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

// What all charts of lines over steps have in common: axes in the page's colours, and a width that follows the page's.

/** Widths of the axes' labels, in pixels. */
const LABELS = { below: 26, beside: 58 };

export interface Lines {
  /** Height in pixels. */
  readonly height: number;
  /** A line for each row of the data after the steps; its colour is the name of a style property. */
  readonly lines: readonly (Omit<uPlot.Series, "stroke"> & { readonly colour: string })[];
  readonly data: uPlot.AlignedData;
  readonly further?: Pick<uPlot.Options, "cursor">;
  /** Of the axis below, where that is not even steps from the first to the last. */
  readonly across?: Pick<uPlot.Scale, "range" | "distr">;
  readonly range?: uPlot.Range.Function;
}

/** A chart in an element, and what takes it out again. */
export interface Drawn {
  readonly chart: uPlot;
  remove(): void;
}

/** Draws lines into an element. */
export function drawLines(
  element: HTMLElement,
  { height, lines, data, further = {}, range, across = {} }: Lines,
): Drawn {
  const style = getComputedStyle(element);
  const axis = {
    stroke: style.getPropertyValue("--muted"),
    grid: { stroke: style.getPropertyValue("--line"), width: 1 },
    ticks: { show: false },
  };
  const chart = new uPlot(
    {
      ...further,
      width: element.clientWidth,
      height,
      legend: { show: false },
      scales: { x: { time: false, ...across }, ...(range === undefined ? {} : { y: { range } }) },
      axes: [
        {
          ...axis,
          size: LABELS.below,
          values: (_, marks) => marks.map((value) => (value === null ? "" : mark(value))),
        },
        { ...axis, size: LABELS.beside, values: (_, marks) => marks.map(mark) },
      ],
      series: [
        {},
        ...lines.map(({ colour, ...line }) => ({ ...line, stroke: style.getPropertyValue(colour), width: 2 })),
      ],
    },
    data,
    element,
  );
  const observer = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height }));
  observer.observe(element);
  return {
    chart,
    remove() {
      observer.disconnect();
      chart.destroy();
    },
  };
}

/** A mark of an axis with as many digits as it needs. */
function mark(value: number): string {
  return value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}
