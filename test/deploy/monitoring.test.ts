import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DASHBOARDS, dashboardText } from "../../scripts/dashboards/make-dashboards.ts";
import { createMetrics } from "../../src/metrics/metrics.ts";
import { missing } from "../support/fixtures.ts";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { runServer } from "../support/running-server.ts";

const root = resolve(import.meta.dirname, "../..");
const monitoring = join(root, "deploy/monitoring");
const rules = readFileSync(join(monitoring, "alerts.yaml"), "utf8");
const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name!);
const dashboards = readdirSync(join(monitoring, "dashboards")).map((file) => ({
  file,
  text: readFileSync(join(monitoring, "dashboards", file), "utf8"),
}));
const env = { ...process.env, PATH: [process.env["PATH"], join(homedir(), "go/bin")].join(delimiter) };

const promtool = (() => {
  try {
    execFileSync("promtool", ["--version"], { stdio: "ignore", env });
    return true;
  } catch {
    return false;
  }
})();

/** Every series that the metrics page declares, histograms with their parts. */
async function declared(): Promise<ReadonlySet<string>> {
  const metrics = createMetrics("test");
  const { body } = await metrics.page();
  metrics.close();
  const names = [...body.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name, kind]) =>
    kind === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name!],
  );
  return new Set(names);
}

/** Series named in PromQL: words with one of our prefixes. */
const seriesIn = (text: string) =>
  [...text.matchAll(/\b(?:albert|nodejs|process|rpc)_[a-z0-9_]+/g)].map(([name]) => name);

/** Labels that expressions select by, with the series they select: `name{label="..."}`. */
const selectorsIn = (text: string) =>
  [...text.matchAll(/\b((?:albert|nodejs|process|rpc)_[a-z0-9_]+)\{([^}]*)\}/g)].flatMap(([, name, list]) =>
    [...list!.matchAll(/(\w+)(?:=~|!=|=)/g)].map(([, label]) => ({ name: name!, label: label! })),
  );

describe("rules and dashboards", () => {
  const expressions = [
    ...[...rules.matchAll(/expr: (?:\|\n((?: {10}.*\n)+)|(.*))/g)].map(([, block, line]) => block ?? line!),
    ...dashboards.flatMap(({ text }) =>
      [...text.matchAll(/"expr": "((?:[^"\\]|\\.)*)"/g)].map(([, expr]) => expr!.replaceAll('\\"', '"')),
    ),
  ];

  it("name only series that the server has", async () => {
    const known = await declared();
    expect(expressions.length).toBeGreaterThan(60);
    const named = new Set(expressions.flatMap(seriesIn));
    // A rpc label looks like a series.
    named.delete("rpc_status_code");
    expect([...named].filter((name) => !known.has(name))).toEqual([]);
  });

  it("select by labels that these series have", () => {
    const snapshot = readFileSync(join(root, "test/metrics/__snapshots__/metrics.test.ts.snap"), "utf8");
    const labels = new Map(
      [...snapshot.matchAll(/"(\w+) (?:counter|gauge|histogram) ?([\w,]*)"/g)].map(([, name, list]) => [
        name!,
        list!.split(","),
      ]),
    );
    const wrong = expressions.flatMap(selectorsIn).filter(({ name, label }) => {
      // These come from whoever scrapes.
      if (["job", "instance"].includes(label)) return false;
      const base = name.replace(/_(bucket|sum|count)$/, "");
      return !(labels.get(name) ?? labels.get(base) ?? []).includes(label);
    });
    expect(wrong).toEqual([]);
  });

  it("has a runbook for each alert, and no runbook for none", () => {
    const headings = [...readFileSync(join(root, "docs/runbooks.md"), "utf8").matchAll(/^## (\w+)$/gm)].map(
      ([, name]) => name!,
    );
    expect(headings.sort()).toEqual([...alerts].sort());
    for (const name of alerts) expect(rules).toContain(`runbook: docs/runbooks.md#${name.toLowerCase()}\n`);
  });

  it("has a test for each alert", () => {
    const tests = readFileSync(join(monitoring, "alerts.test.yaml"), "utf8");
    for (const name of alerts) expect(tests).toContain(`alertname: ${name}\n`);
  });

  it("has dashboards as their descriptions make them (node --import tsx scripts/dashboards/make-dashboards.ts)", () => {
    expect(dashboards.map(({ file }) => file).sort()).toEqual([...DASHBOARDS.keys()].map((name) => `${name}.json`));
    for (const { file, text } of dashboards)
      expect(text).toBe(dashboardText(DASHBOARDS.get(file.replace(".json", ""))!));
  });
});

describe("compose.yaml", () => {
  it("mounts files that exist", () => {
    const compose = readFileSync(join(root, "compose.yaml"), "utf8");
    const mounted = [...compose.matchAll(/- \.\/(\S+?):/g)].map(([, path]) => path!);
    expect(mounted).toContain("deploy/monitoring/alerts.yaml");
    expect(mounted.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});

describe.skipIf(missing("promtool", promtool))("promtool", { timeout: 180_000 }, () => {
  const run = (args: readonly string[], input?: string) =>
    execFileSync("promtool", args, { env, encoding: "utf8", ...(input === undefined ? {} : { input }) });
  let scratch: string;
  beforeAll(() => {
    scratch = mkdtempSync(join(tmpdir(), "albert-rules-"));
  });
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  it("accepts the configuration of compose.yaml, with the rules that it names", () => {
    expect(run(["check", "config", join(monitoring, "prometheus.yaml")])).toContain("is valid");
  });

  it("has nothing to say about the metrics page of a server that has answered", async () => {
    const server = await runServer({ models: [{ name: "tiny", directory: await writeTinyModel() }] });
    try {
      await server.client.classify({ text: "a gripping, honest film", options: { head: "sentiment" } });
      const page = await server.metrics();
      expect(page).toContain('albert_requests_total{task="classify"');
      expect(run(["check", "metrics"], page)).toBe("");
    } finally {
      await server.close();
    }
  });

  it("sees each alert fire, and keep quiet, when it should", () => {
    expect(run(["check", "rules", join(monitoring, "alerts.yaml")])).toContain(`${alerts.length} rules found`);
    expect(run(["test", "rules", join(monitoring, "alerts.test.yaml")])).toContain("SUCCESS");
  });

  it("notices a bound that was changed", () => {
    cpSync(join(monitoring, "alerts.test.yaml"), join(scratch, "alerts.test.yaml"));
    writeFileSync(join(scratch, "alerts.yaml"), rules.replaceAll("> 0.05", "> 0.5"));
    expect(() => run(["test", "rules", join(scratch, "alerts.test.yaml")])).toThrow("FAILED");
  });
});
