import { Counter, Gauge, type Metric, type Registry } from "prom-client";
import { invariant } from "../../errors.ts";

// Series for what happens with every call, found by the values of their labels in one look-up and counted in plain numbers. The package's own check the
// names of all labels, and join them to a text, at each event; here that is done when the page is read, if at all.

/** What a metric is called, and which labels its series have. */
export interface SeriesOptions {
  readonly name: string;
  readonly help: string;
  readonly labelNames?: readonly string[];
}

/** Counts events. */
export interface KeptCounter {
  /** @param values  of the labels, in the order of their names */
  inc(values: readonly string[], count?: number): void;
  /** What the page is made from. */
  readonly metric: Metric;
}

export function keptCounter(registry: Registry, { name, help, labelNames = [] }: SeriesOptions): KeptCounter {
  /** Since the page was last read. */
  const since = new Kept(() => ({ count: 0 }));
  const metric = new Counter({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      for (const [values, { count }] of since.entries()) this.inc(labelsOf(labelNames, values), count);
      since.clear();
    },
  });
  return {
    metric: metric as unknown as Metric, // the package's type for one of any labels, which it does not take this one for
    inc: (values, count = 1) => {
      since.of(values).count += count;
    },
  };
}

/** A number that goes up and down, of one label. */
export function keptGauge(
  registry: Registry,
  { name, help, label }: Omit<SeriesOptions, "labelNames"> & { readonly label: string },
): { add(value: string, change: number): void } {
  const counts = new Map<string, number>();
  new Gauge({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      for (const [value, count] of counts) this.set({ [label]: value }, count);
    },
  });
  return { add: (value, change) => counts.set(value, (counts.get(value) ?? 0) + change) };
}

export interface KeptHistogram {
  /**
   * @param values  of the labels, in the order of their names
   * @param traceId  where its trace is kept: an example of its bucket
   */
  observe(values: readonly string[], value: number, traceId?: string): void;
}

/** @param bounds  upper bounds of the buckets, ascending */
export function keptHistogram(
  registry: Registry,
  { name, help, labelNames = [], buckets: bounds }: SeriesOptions & { readonly buckets: readonly number[] },
): KeptHistogram {
  const series = new Kept(() => new Distribution(bounds));
  if (labelNames.length === 0) series.of([]);
  const described = { name, help, type: "histogram", aggregator: "sum" };
  const lines = () =>
    [...series.entries()].flatMap(([of, distribution]) => distribution.lines(name, labelsOf(labelNames, of)));
  // A registry takes whatever can say what it holds; the package's types know its own classes alone.
  const metric: unknown = { ...described, get: async () => ({ ...described, values: lines() }) };
  registry.registerMetric(metric as Metric);
  return {
    observe: (of, value, traceId) => series.of(of).observe(value, traceId),
  };
}

/** The values of one series of a histogram. */
class Distribution {
  readonly #bounds: readonly number[];
  /** Of each bucket, the last one without a bound. */
  readonly #counts: number[];
  #sum = 0;
  /** By bucket; absent while there are none. */
  #examples: (Exemplar | undefined)[] | undefined;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number, traceId: string | undefined): void {
    invariant(Number.isFinite(value), `expected a finite number to count, got ${value}`);
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
    this.#counts[bucket]!++;
    this.#sum += value;
    if (traceId === undefined) return;
    this.#examples ??= [];
    this.#examples[bucket] = { labelSet: { trace_id: traceId }, value, timestamp: Date.now() / 1000 };
  }

  /** As the page has them: each bucket counts those below it too. */
  lines(name: string, labels: Labels): unknown[] {
    let count = 0;
    const buckets = this.#counts.map((own, bucket) => {
      count += own;
      const le = this.#bounds[bucket] ?? "+Inf";
      const exemplar = this.#examples?.[bucket];
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: count, exemplar };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}

interface Exemplar {
  readonly labelSet: Labels;
  readonly value: number;
  /** Seconds since 1970. */
  readonly timestamp: number;
}

type Labels = Readonly<Record<string, string>>;

function labelsOf(names: readonly string[], values: readonly string[]): Labels {
  return Object.fromEntries(names.map((name, i) => [name, values[i]!]));
}

/** Something for each combination of the values of labels. */
class Kept<T> {
  readonly #make: () => T;
  readonly #byValues = new Map<string, { readonly values: readonly string[]; readonly kept: T }>();

  constructor(make: () => T) {
    this.#make = make;
  }

  of(values: readonly string[]): T {
    const key = values.length === 1 ? values[0]! : values.join("\0");
    let entry = this.#byValues.get(key);
    if (entry === undefined) {
      entry = { values, kept: this.#make() };
      this.#byValues.set(key, entry);
    }
    return entry.kept;
  }

  *entries(): Generator<readonly [values: readonly string[], kept: T]> {
    for (const { values, kept } of this.#byValues.values()) yield [values, kept];
  }

  clear(): void {
    this.#byValues.clear();
  }
}
