import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type AdminClient, connectAdmin } from "../../src/client/admin-client.ts";
import { openModelDirectory } from "../../src/model/directory/open-model-directory.ts";
import { createEngine } from "../../src/runtime/packed-engine.ts";
import { planClassification } from "../../src/tasks/classification/classification.ts";
import { taskModel } from "../../src/tasks/plan.ts";
import { runAlbert } from "../support/command-line.ts";
import { ALL_HEADS, writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";

const ROWS = 400;
const base = mkdtempSync(join(tmpdir(), "albert-precision-"));
const texts = Array.from({ length: ROWS }, (_, i) => `${["good", "day", "sad", "the"][i % 4]} ${i * i} ${i}`);
let directory: string;
let server: RunningServer;
let admin: AdminClient;

beforeAll(async () => {
  directory = await writeTinyModel(ALL_HEADS.slice(0, 1), 3);
  mkdirSync(join(base, "data"));
  const row = (text: string, i: number) =>
    `${JSON.stringify({ text, label: i % 2 === 0 ? "positive" : "negative" })}\n`;
  writeFileSync(join(base, "data/dev.jsonl"), texts.map(row).join(""));
  server = await runServer({
    models: [{ name: "moods", directory }],
    config: {
      runtime: { device: "cpu", precision: "int8" },
      store: { directory: join(base, "store") },
      training: { datasetRoots: [join(base, "data")], priority: "normal" },
    },
  });
  admin = connectAdmin(server.app.addresses.admin!, { maxAttempts: 1 });
});
afterAll(async () => {
  admin.close();
  await server.close();
  rmSync(base, { recursive: true, force: true });
});

/** The labels that the model gives in a precision. */
async function labelsIn(precision: "fp32" | "int8"): Promise<string[]> {
  const model = await openModelDirectory(directory);
  const engine = await createEngine(model, { device: "cpu", precision, threads: 1 });
  const labels: string[] = [];
  for (const text of texts) {
    const { sequences, answer } = planClassification({ text }, taskModel(model));
    const found = answer((await engine.run([...sequences])).outputs);
    labels.push(found.kind === "regression" ? "" : found.labels[0]!.label);
  }
  await engine.close();
  return labels;
}

it("what int8 changes is measured by the gate, and told wherever the version is", async () => {
  const { model: before } = await server.client.getModel({ model: "moods" });
  expect(before).toMatchObject({ precision: "int8", precisionLosses: [] });

  const asked = { model: "moods", version: 1, task: "classification", path: "dev.jsonl" };
  const { report } = await admin.models.validateVersion(asked);
  const [exact, served] = [await labelsIn("fp32"), await labelsIn("int8")];
  const accuracy = (labels: readonly string[]) =>
    labels.filter((label, i) => label === (i % 2 === 0 ? "positive" : "negative")).length / ROWS;
  const loss = report!.precisionLoss!;
  expect(loss).toMatchObject({ of: "products", format: "int8", task: "classification", examples: ROWS });
  expect(loss.changedAnswers).toBe(exact.filter((label, i) => label !== served[i]).length);
  expect(loss.before["eval_accuracy"]).toBeCloseTo(accuracy(exact), 10);
  expect(loss.after["eval_accuracy"]).toBeCloseTo(accuracy(served), 10);
  expect(report!.candidateValue).toBe(loss.after["eval_accuracy"]);

  const { model } = await server.client.getModel({ model: "moods" });
  const { models } = await server.client.listModels({});
  const { versions } = await admin.models.listVersions({});
  const { version } = await admin.models.getVersion({ model: "moods" });
  for (const told of [model, ...models, ...versions, version]) expect(told!.precisionLosses).toEqual([loss]);

  const address = ["--admin", server.app.addresses.admin!];
  const { out: one } = await runAlbert("models", "get", "moods", ...address);
  expect(one).toContain(`int8 products change ${loss.changedAnswers} of ${ROWS} answers (classification)`);
  const given = ["moods", "1", "--task", "classification", "--path", "dev.jsonl"];
  const { out: again } = await runAlbert("models", "validate", ...given, ...address);
  expect(again).toContain(`int8 products change ${loss.changedAnswers} of ${ROWS} answers (classification)`);
  const { out: all } = await runAlbert("models", "list", ...address);
  expect(all).toContain(`int8 changes ${loss.changedAnswers} of ${ROWS}`);
}, 60_000);

it("anybody measures it on a file of their own", async () => {
  const data = ["--task", "classification", "--data", join(base, "data/dev.jsonl")];
  const asked = ["evaluate", "--model", directory, ...data, "--precision", "int8", "--json"];
  const { out } = await runAlbert(...asked);
  const [exact, served] = [await labelsIn("fp32"), await labelsIn("int8")];
  expect(JSON.parse(out)).toMatchObject({
    precision: "int8",
    changedAnswers: exact.filter((label, i) => label !== served[i]).length,
    fp32: { eval_accuracy: expect.any(Number) },
  });
}, 60_000);
