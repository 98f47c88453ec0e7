import type { LengthBin } from "../../../gen/albert/v1/training_pb.js";

const [WIDTH, HEIGHT, LEFT, BELOW] = [320, 130, 34, 18];

/** How long the rows are, as a histogram with axes; in words where it is not seen. */
export function LengthBars({ bins }: { readonly bins: readonly LengthBin[] }) {
  if (bins.length === 0) return null;
  const most = Math.max(...bins.map(({ rows }) => rows));
  const total = bins.reduce((sum, { rows }) => sum + rows, 0);
  const width = (WIDTH - LEFT) / bins.length;
  const y = (rows: number) => (HEIGHT - BELOW) * (1 - rows / most) + 4;
  const common = bins.reduce((best, bin) => (bin.rows > best.rows ? bin : best));
  const last = bins.at(-1)!;
  return (
    <figure class="lengths">
      <figcaption class="muted">
        Words in a row: most often {common.from === common.to ? common.to : `${common.from} to ${common.to}`}, at most{" "}
        {last.to}
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT + 6}`} class="plot" role="img" aria-label={`${total} rows by their words`}>
        <text x={LEFT - 4} y={12} text-anchor="end">
          {most}
        </text>
        <text x={LEFT - 4} y={HEIGHT - BELOW + 4} text-anchor="end">
          0
        </text>
        <path class="axis" d={`M${LEFT} 4V${HEIGHT - BELOW + 4}H${WIDTH}`} />
        {bins.map(({ from, to, rows }, i) => (
          <g key={from}>
            <rect
              class="bar"
              x={LEFT + i * width + 0.5}
              width={Math.max(1, width - 1)}
              y={y(rows)}
              height={HEIGHT - BELOW + 4 - y(rows)}
            >
              <title>{`${from} to ${to} words: ${rows} rows`}</title>
            </rect>
            {i % Math.max(1, Math.ceil(bins.length / 6)) === 0 && (
              <text x={LEFT + i * width} y={HEIGHT + 2}>
                {from}
              </text>
            )}
          </g>
        ))}
      </svg>
    </figure>
  );
}
