import { Gauge, type Metric, type Registry } from "prom-client";

// What the files of this room share: gauges that are read at a scrape, and the removal of series.

/**
 * Removes every series of a metric whose labels hold all of `match`, so that what no longer exists (a retired version, a
 * finished job) does not stay on the page forever.
 */
export async function removeSeries(metric: Metric, match: Readonly<Record<string, string>>): Promise<void> {
  const { values } = await metric.get();
  for (const { labels } of values) {
    const matches = Object.entries(match).every(([name, value]) => labels[name as keyof typeof labels] === value);
    // `le` is the bucket bound of a histogram's own output, not a label it was observed with.
    if (matches) metric.remove(Object.fromEntries(Object.entries(labels).filter(([name]) => name !== "le")));
  }
}

/** Adds a gauge without labels whose value is read at each scrape. */
export function readGauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}
