import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type GateOptions, runGate } from "../../../src/deployment/gate/run-gate.ts";
import { openModelDirectory } from "../../../src/model/directory/open-model-directory.ts";
import { createEngine } from "../../../src/runtime/packed-engine.ts";
import { openStore } from "../../../src/store/open-store.ts";
import type { Store } from "../../../src/store/store.ts";
import { planClassification } from "../../../src/tasks/classification/classification.ts";
import { taskModel } from "../../../src/tasks/plan.ts";
import { LEARNT_NOTHING } from "../../../src/training/evaluation/findings.ts";
import { ALL_HEADS, writeTinyModel } from "../../support/models/tiny-model-directory.ts";

describe("the gate", { timeout: 60_000 }, () => {
  const base = mkdtempSync(join(tmpdir(), "albert-gate-"));
  const data = { kind: "whole", path: join(base, "dev.jsonl") } as const;
  let store: Store;
  let options: GateOptions;
  beforeAll(async () => {
    store = await openStore(join(base, "store"));
    await store.versions.publish("reviews", await writeTinyModel(ALL_HEADS.slice(0, 1)));
    options = { store, background: false, engine: async () => ({ device: "cpu", precision: "fp32", threads: 1 }) };
  });
  afterAll(async () => {
    await store.close();
    rmSync(base, { recursive: true, force: true });
  });
  const gateOf = async (rows: number, signal: AbortSignal) => {
    const pair = ["positive", "negative"].map((label) => `${JSON.stringify({ text: "a good day", label })}\n`);
    writeFileSync(data.path, pair.join("").repeat(rows / 2));
    const candidate = await store.versions.get("reviews", 1);
    return (await runGate(options, { candidate, task: "classification", data }, signal)).report;
  };

  it("is over soon after it was stopped, and leaves no temporary files", async () => {
    const own = new RegExp(`^albert-session-.*-${process.pid}-`);
    const sessions = async () => (await readdir(tmpdir())).filter((name) => own.test(name));
    const stopping = new AbortController();
    const running = gateOf(200_000, stopping.signal); // minutes of work
    const outcome = running.catch((error: unknown) => error);
    while ((await sessions()).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const reason = new Error("the server ends");
    stopping.abort(reason);
    expect(await outcome).toBe(reason);
    expect(await sessions()).toEqual([]);
  });

  it("does not begin when it was stopped before", async () => {
    const reason = new Error("nobody waits");
    await expect(gateOf(2, AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  it("comes to its end otherwise", async () => {
    expect(await gateOf(4, new AbortController().signal)).toMatchObject({ examples: 4, metric: "eval_accuracy" });
  });

  it("is another report in another precision, so that what that changes is kept too", async () => {
    const exact = await gateOf(4, new AbortController().signal);
    options = { ...options, engine: async () => ({ device: "cpu", precision: "int8", threads: 1 }) };
    const reduced = await gateOf(4, new AbortController().signal);
    options = { ...options, engine: async () => ({ device: "cpu", precision: "fp32", threads: 1 }) };
    expect(reduced.precisionLoss).toMatchObject({ precision: "int8", examples: 4 });
    expect(exact.precisionLoss).toBeUndefined();
    expect(reduced.id).not.toBe(exact.id);
  });

  it("leaves it to a person, and says so, where the model answers no better than one that reads nothing", async () => {
    // The same text has both labels, so that half of the answers are right whatever the model is.
    const { findings, verdict, better } = await gateOf(100, new AbortController().signal);
    expect(findings.join("\n")).toMatch(/eval_accuracy 0\.5 is within noise of always "(positive|negative)" \(0\.5\)/);
    expect([verdict, better]).toEqual(["inconclusive", false]);
  });

  it("lets a model that can tell its labels apart be the first, and passes on what its run found", async () => {
    const directory = await writeTinyModel(ALL_HEADS.slice(0, 1), 3);
    await store.versions.publish("moods", directory);
    // Labelled by the model itself: it is right about each of them.
    const model = await openModelDirectory(directory);
    const engine = await createEngine(model, { device: "cpu", precision: "fp32", threads: 1 });
    const texts = Array.from(
      { length: 300 },
      (_, i) => `${["good", "day", "film", "sad", "old", "the"][i % 6]} ${i * i} ${i}`,
    );
    const plans = texts.map((text) => planClassification({ text }, taskModel(model)));
    const { outputs } = await engine.run(plans.flatMap(({ sequences }) => sequences));
    await engine.close();
    const labels = plans.map(({ answer }, i) => {
      const found = answer([outputs[i]!]);
      return found.kind === "regression" ? "" : found.labels[0]!.label;
    });
    const [least] = ["positive", "negative"]
      .map((label) => labels.filter((own) => own === label).length)
      .sort((a, b) => a - b);
    expect(least).toBeGreaterThan(30);
    writeFileSync(data.path, texts.map((text, i) => `${JSON.stringify({ text, label: labels[i] })}\n`).join(""));
    const candidate = await store.versions.get("moods", 1);
    const ofRun = [
      "the training loss still fell",
      `eval_accuracy 0.5 is within noise of any choice (0.5): ${LEARNT_NOTHING}`,
    ];
    const input = { candidate, task: "classification", data, ofRun } as const;
    const { report, evaluation } = await runGate(options, input, new AbortController().signal);
    expect(report).toMatchObject({ verdict: "pass", better: true, candidateValue: 1 });
    expect(evaluation).toMatchObject({
      ...{ kind: "single-label", model: { name: "moods@1", digest: candidate.digest } },
      ...{ data: { name: "dev.jsonl", digest: report.dataset, judged: 300 }, worst: [] },
    });
    expect(report.findings).toEqual(["there is no champion to compare with", "the training loss still fell"]);

    // Half of another model's answers are right; one with other labels cannot answer at all.
    await store.versions.publish("moods", await writeTinyModel(ALL_HEADS.slice(0, 1), 4));
    await store.aliases.point("moods", 2, { reason: "a test" });
    const { report: against } = await runGate(options, input, new AbortController().signal);
    expect(against).toMatchObject({ verdict: "pass", better: true, champion: 2, candidateValue: 1 });
    expect(against.findings[1]).toMatch(
      /^moods@1 is better than moods@2 beyond chance: eval_accuracy .* of 300 examples \d+ are answered better and 0 worse$/,
    );
    expect(against.broken).toBe(0);
    expect(against.difference![0]).toBeGreaterThan(0);
    const other = ALL_HEADS.filter(({ kind }) => kind === "span");
    await store.versions.publish("moods", await writeTinyModel(other, 5));
    await store.aliases.point("moods", 3, { reason: "a test" });
    const { report: incomparable } = await runGate(options, input, new AbortController().signal);
    expect(incomparable).toMatchObject({ verdict: "inconclusive", better: false, champion: 3 });
    expect(incomparable.championValue).toBeUndefined();
  });
});
