import { performance } from "node:perf_hooks";

// The page of the metrics, in the format that is asked for, rendered once for all who ask within a moment: rendering takes milliseconds of the main thread.

/** How long a rendered page is shown. */
export const FRESH_MS = 250;

/** A page as bytes, which all replies share, however slowly they are read. */
export interface MetricsPage {
  readonly contentType: string;
  readonly body: Buffer;
}

/** Shows one rendering to all who ask while it is made and for `FRESH_MS` after it; a failed one is not kept. */
export function sharedPage(
  render: () => Promise<{ readonly contentType: string; readonly body: string }>,
  now: () => number = () => performance.now(),
): () => Promise<MetricsPage> {
  let page: Promise<MetricsPage> | undefined;
  let staleAt = Number.POSITIVE_INFINITY;
  const rendered = async () => {
    const { contentType, body } = await render();
    staleAt = now() + FRESH_MS;
    return { contentType, body: Buffer.from(body) };
  };
  return () => {
    if (page !== undefined && now() < staleAt) return page;
    staleAt = Number.POSITIVE_INFINITY;
    page = rendered();
    page.catch(() => {
      page = undefined;
    });
    return page;
  };
}

type Render = (format: "text" | "openmetrics") => Promise<{ readonly contentType: string; readonly body: string }>;

/** @returns the page for a request's `accept`: OpenMetrics where it is named, Prometheus' text otherwise */
export function pageByAccept(render: Render): (accept?: string) => Promise<MetricsPage> {
  const text = sharedPage(() => render("text"));
  const open = sharedPage(() => render("openmetrics"));
  return (accept = "") => (accept.includes("application/openmetrics-text") ? open() : text());
}
