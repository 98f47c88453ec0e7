// Reads the `/metrics` page in the browser and computes sums and quantiles from it.

/** One sample of a Prometheus text page. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Reads the text format that `/metrics` answers with; lines it does not understand are left out. */
export function parseMetrics(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split("\n")) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/.exec(line);
    if (match === null) continue;
    const labels: Record<string, string> = {};
    for (const [, name, value] of (match[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[name!] = value!;
    samples.push({ name: match[1]!, labels, value: Number(match[3]!.replace("+Inf", "Infinity")) });
  }
  return samples;
}

/** Sum over every series of a metric. */
export function total(samples: readonly Sample[], name: string): number {
  return samples.filter((sample) => sample.name === name).reduce((sum, sample) => sum + sample.value, 0);
}

/**
 * A quantile of what a histogram saw between two readings, by linear interpolation within its buckets; undefined when
 * it saw nothing.
 */
export function quantileBetween(
  before: readonly Sample[],
  after: readonly Sample[],
  name: string,
  quantile: number,
): number | undefined {
  const bounds = new Map<number, number>();
  const add = (samples: readonly Sample[], sign: number) => {
    for (const sample of samples) {
      if (sample.name !== `${name}_bucket`) continue;
      const bound = Number((sample.labels["le"] ?? "").replace("+Inf", "Infinity"));
      bounds.set(bound, (bounds.get(bound) ?? 0) + sign * sample.value);
    }
  };
  add(after, 1);
  add(before, -1);
  const buckets = [...bounds].sort(([a], [b]) => a - b);
  const count = buckets.at(-1)?.[1] ?? 0;
  if (count <= 0) return undefined;
  let lower = 0;
  let below = 0;
  for (const [bound, cumulative] of buckets) {
    if (cumulative >= quantile * count) {
      if (!Number.isFinite(bound)) return lower;
      const inside = cumulative - below;
      return inside === 0 ? bound : lower + ((bound - lower) * (quantile * count - below)) / inside;
    }
    lower = bound;
    below = cumulative;
  }
  return lower;
}
