import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { drawLines } from "./draw-lines.ts";

// Draws one quantity of several runs over each other.

const HEIGHT = 190;
/** Names of the colours of lines that lie over each other, in the order of the lines. */
export const LINE_COLOURS = ["--stage-5", "--stage-2", "--stage-3", "--stage-6", "--stage-4", "--stage-1"];

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
    if (box.current === null) return;
    const { remove } = drawLines(box.current, {
      height: HEIGHT,
      lines: lines.map(({ colour }) => ({ colour: LINE_COLOURS[colour % LINE_COLOURS.length]!, spanGaps: true })),
      data: uPlot.join(lines.map(({ steps, values }): uPlot.AlignedData => [[...steps], [...values]])),
    });
    return remove;
  }, [lines]);
  return (
    <figure class="curve">
      <figcaption>{title}</figcaption>
      <div ref={box} style={{ minHeight: `${HEIGHT}px` }} aria-hidden="true" />
      <LineNames
        lines={lines.map(({ name, colour, values }) => ({
          ...{ name, colour },
          value: String(Number((values.at(-1) ?? Number.NaN).toPrecision(4))),
        }))}
      />
    </figure>
  );
}

/** What lines are called, with their colours and last values. */
export function LineNames({
  lines,
}: {
  readonly lines: readonly { readonly name: string; readonly colour: number; readonly value: string }[];
}) {
  return (
    <ul class="curve-names">
      {lines.map(({ name, colour, value }) => (
        <li key={name}>
          <span
            class="swatch"
            style={{ background: `var(${LINE_COLOURS[colour % LINE_COLOURS.length]})` }}
            aria-hidden="true"
          />
          {name} <b>{value}</b>
        </li>
      ))}
    </ul>
  );
}
