const WIDTH = 120;
const HEIGHT = 28;

/** The recent course of a number, newest at the right; only a picture, because the number itself is written next to it. */
export function Sparkline({ values, length }: { readonly values: readonly number[]; readonly length: number }) {
  const highest = Math.max(...values.filter(Number.isFinite), Number.MIN_VALUE);
  const x = (index: number) => WIDTH - ((values.length - 1 - index) * WIDTH) / (length - 1);
  const y = (value: number) => HEIGHT - 1.5 - (value / highest) * (HEIGHT - 3);
  const points = values.flatMap((value, index) =>
    Number.isFinite(value) ? [`${x(index).toFixed(1)},${y(value).toFixed(1)}`] : [],
  );
  return (
    <svg class="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <polyline points={points.join(" ")} vector-effect="non-scaling-stroke" />
    </svg>
  );
}
