import { describe, expect, it } from "vitest";
import { makeReport } from "../../../src/report/make-report.ts";
import { reportPage } from "../../../src/report/render/page.ts";
import { reportLines } from "../../../src/report/render/text.ts";

const HOSTILE = `<script>alert("x")</script><img src=http://evil.example/x> & 'quoted' \u001b[31m\u202e red`;

function report(rows: number, labels: readonly string[] = ["down", HOSTILE]) {
  return makeReport({
    task: "classification",
    model: { name: HOSTILE, digest: "d".repeat(64) },
    data: { name: "own.csv" },
    head: { kind: "classification", name: "mood", problemType: "single-label", labels },
    examples: Array.from({ length: rows }, (_, i) => ({
      ...{
        kind: "classification",
        id: `row-${i}`,
        text: `${HOSTILE} ${"word ".repeat(100)}`,
        columns: { [HOSTILE]: HOSTILE + (i % 3) },
      },
      label: labels[i % labels.length]!,
      location: { file: HOSTILE, line: i + 2, column: 1 },
    })),
    evaluation: {
      predictions: {
        kind: "classification",
        rows: Array.from({ length: rows }, (_, i) => ({
          id: "",
          probabilities: labels.map((_, label) =>
            label === (i >> 1) % labels.length ? 0.6 : 0.4 / (labels.length - 1),
          ),
          predicted: labels[(i >> 1) % labels.length]!,
        })),
      },
    },
    rows: 1000,
  });
}

describe("a report's page", () => {
  it("shows texts of the data as texts, and can load nothing", async () => {
    const page = reportPage(await report(60));
    expect(page).not.toMatch(/<script|<img|<link|<iframe|javascript:/i);
    expect(page).toContain("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;");
    expect(page).toMatch(/http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;/);
    // No address but in escaped text.
    expect([...page.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, target]) => target)).toEqual(
      [...page.matchAll(/href="(#[a-z-]+)"/g)].map(([, target]) => target),
    );
  });

  it("names every table and plot, and each link leads to a part of it", async () => {
    const page = reportPage(await report(60));
    expect(page).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(page.match(/<table>/g)).toHaveLength(page.match(/<table><caption>/g)!.length);
    expect(page.match(/<svg class="plot"/g)).toHaveLength(
      page.match(/<svg class="plot"[^>]* role="img" aria-label="/g)!.length,
    );
    for (const [, id] of page.matchAll(/href="#([a-z-]+)"/g)) expect(page).toContain(`<h2 id="${id}">`);
    expect(page).toContain("prefers-color-scheme:dark");
    for (const heading of [
      "Figures",
      "Labels",
      "Mistakes by label",
      "Certainty",
      "Worst mistakes",
      "Parts of the data",
    ]) {
      expect(page).toContain(`>${heading}</h2>`);
    }
  });

  it("stays below a megabyte with a hundred labels and long texts", async () => {
    const labels = Array.from({ length: 100 }, (_, i) => `label ${i}`);
    const made = await report(3000, labels);
    const page = reportPage({ ...made, worst: made.worst.slice(0, 100), leastSure: made.leastSure.slice(0, 100) });
    expect(Buffer.byteLength(page)).toBeLessThan(1_000_000);
  });
});

describe("a report in a terminal", () => {
  it("holds no control characters, and tells the figures, labels, parts and mistakes", async () => {
    const text = reportLines(await report(60)).join("\n");
    expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\u202e]/u);
    expect(text).toMatch(/figures of 60 examples, with 95 % intervals/);
    expect(text).toMatch(/accuracy +50\.0 % +\d+\.\d % to \d+\.\d %/);
    expect(text).toMatch(/label +precision +recall +F1 +examples +given/);
    expect(text).toMatch(/right label \(lines\) and the label given \(columns\)/);
    expect(text).toMatch(/worst mistakes, 5 of 30 listed/);
  });
});
