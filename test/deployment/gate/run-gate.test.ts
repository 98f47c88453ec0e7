import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type GateOptions, runGate } from "../../../src/deployment/gate/run-gate.ts";
import { openStore } from "../../../src/store/open-store.ts";
import type { Store } from "../../../src/store/store.ts";
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
    return runGate(options, { candidate, task: "classification", data }, signal);
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
    expect(await gateOf(4, new AbortController().signal)).toMatchObject({ examples: 4, verdict: "pass" });
  });

  it("says so where the model answers no better than one that reads nothing", async () => {
    // The same text has both labels, so that half of the answers are right whatever the model is.
    const { findings } = await gateOf(100, new AbortController().signal);
    expect(findings.join("\n")).toMatch(/eval_accuracy 0\.5 is within noise of always "(positive|negative)" \(0\.5\)/);
  });
});
