import { beforeEach, expect, it } from "vitest";
import { MetricsListener } from "../../../src/server/http/metrics-listener.ts";
import { FRESH_MS, pageByAccept, sharedPage } from "../../../src/server/http/metrics-page.ts";

let rendered: number;
let now: number;
let fails: boolean;
let page: ReturnType<typeof sharedPage>;

beforeEach(() => {
  rendered = now = 0;
  fails = false;
  const render = async () => {
    await new Promise((resolve) => setImmediate(resolve));
    if (fails) throw new Error("no page");
    return { contentType: "text/plain", body: `page ${++rendered}` };
  };
  page = sharedPage(render, () => now);
});

const body = async () => (await page()).body.toString();

it("is rendered once for all who ask meanwhile and a moment later, and then anew", async () => {
  expect(await Promise.all([body(), body(), body()])).toEqual(["page 1", "page 1", "page 1"]);
  now = FRESH_MS - 1;
  expect((await page()).body).toBe((await page()).body);
  expect(await body()).toBe("page 1");
  now = FRESH_MS;
  expect(await Promise.all([body(), body()])).toEqual(["page 2", "page 2"]);
});

it("is OpenMetrics where the scraper names it, as Prometheus does", async () => {
  const shown = pageByAccept(async (format) => ({ contentType: format, body: format }));
  const prometheus = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
  expect((await shown(prometheus)).contentType).toBe("openmetrics");
  expect((await shown("text/plain")).contentType).toBe("text");
  expect((await shown()).contentType).toBe("text");
});

it("is tried again after a failure", async () => {
  fails = true;
  await expect(page()).rejects.toThrow("no page");
  fails = false;
  expect(await body()).toBe("page 1");
});

it("costs many readers at once one rendering", async () => {
  const listener = await MetricsListener.open({
    address: "127.0.0.1:0",
    metricsPage: page,
    ready: () => true,
    absentModels: () => [],
  });
  const ask = async () => (await fetch(`http://${listener.address}/metrics`)).text();
  const bodies = await Promise.all(Array.from({ length: 50 }, ask));
  await listener.close();
  expect([new Set(bodies), rendered]).toEqual([new Set(["page 1"]), 1]);
});
