import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { drawLines } from "./draw-lines.ts";

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
    if (box.current === null) return;
    const { remove } = drawLines(box.current, {
      height: HEIGHT,
      lines: lines.map(({ colour }) => ({ colour: COLOURS[colour % COLOURS.length]!, spanGaps: true })),
      data: uPlot.join(lines.map(({ steps, values }): uPlot.AlignedData => [[...steps], [...values]])),
    });
    return remove;
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
