import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ALL_HEADS, writeTinyModel } from "../../support/models/tiny-model-directory.ts";
import { albert, tinyFolder } from "../tiny-run.ts";

const folder = tinyFolder();
const models: string[] = [];
let data: string;

beforeAll(async () => {
  for (const seed of [1, 2]) models.push(await writeTinyModel(ALL_HEADS.slice(0, 1), seed));
  models.push(await writeTinyModel(ALL_HEADS.slice(2, 3), 3));
  const row = (i: number) =>
    `"${["good", "day", "film", "sad", "old"][i % 5]} ${i * i}",${i % 3 ? "positive" : "negative"}\n`;
  data = folder.write("reviews.csv", `text,label\n${Array.from({ length: 80 }, (_, i) => row(i)).join("")}`);
});
afterAll(() => {
  folder.remove();
  for (const model of models) rmSync(dirname(model), { recursive: true, force: true });
});

const compare = (before: string, after: string, ...flags: string[]) =>
  albert("compare", before, after, "--task", "classification", "--data", data, "--threads", "1", ...flags);

describe("albert compare", () => {
  it("tells what evaluations of the two tell one by one, and where they differ", async () => {
    const { printed, error } = await compare(models[0]!, models[1]!, "--json", "--rows", "4");
    expect(error).toBeUndefined();
    const found = JSON.parse(printed);
    const accuracies = [];
    for (const model of models.slice(0, 2)) {
      const flags = ["--task", "classification", "--model", model, "--data", data, "--threads", "1", "--json"];
      accuracies.push(JSON.parse((await albert("evaluate", ...flags)).printed).metrics.eval_accuracy);
    }
    expect([found.before.value, found.after.value]).toEqual(accuracies);
    expect(found.examples).toBe(80);
    expect((found.fixed.rows - found.broken.rows) / 80).toBeCloseTo(accuracies[1] - accuracies[0], 9);
    expect(1 - (found.fixed.rows + found.broken.rows) / 80).toBeCloseTo(found.agreement, 9);
    expect(found.fixed.list.length).toBeLessThanOrEqual(4);
    for (const side of [found.before, found.after]) {
      expect(side.bytes).toBeGreaterThan(1000);
      expect(side.millisecondsPerExample).toBeGreaterThan(0);
    }
  });

  it("says in words that a model does not differ from itself", async () => {
    const { printed, error } = await compare(models[0]!, models[0]!);
    expect(error).toBeUndefined();
    expect(printed).toMatch(/^MODEL +DIGEST +eval_accuracy +AN EXAMPLE +SIZE\ntiny /);
    expect(printed).toMatch(
      /no difference between the first and the second shows beyond chance: .* 0 are answered better and 0 worse/,
    );
    expect(printed).toMatch(/both give the same answer to 100\.0 % of the examples/);
  });

  it("refuses models that answer otherwise, and says which", async () => {
    const { error } = await compare(models[0]!, models[2]!);
    expect(error).toMatch(/label is not a number|after: answers otherwise/);
  });

  it("tells a mistyped path from a version of a server", async () => {
    const parent = dirname(models[0]!);
    const mistyped = `${models[0]}x`;
    expect((await compare(mistyped, mistyped)).error).toContain(
      `there is no model at ${mistyped}, did you mean ${models[0]}?`,
    );
    expect((await compare(join(parent, "nothing-alike"), models[0]!)).error).toMatch(
      /there is no model at \S*nothing-alike \(a version of a server is named name@7/,
    );
    // A folder of this name is here, so that this is no version "champion" of a model "src".
    expect((await compare("src/nothing", "src/other")).error).toContain("there is no model at src/nothing");
    expect((await compare(models[0]!, "reviews@2")).error).toMatch(/expected two paths or two versions of a server/);
    const away = await compare(
      "tickets/champion",
      "tickets/previous",
      "--admin",
      "127.0.0.1:1",
      "--connect-timeout-ms",
      "500",
    );
    expect(away.error).toMatch(
      /tickets\/champion and tickets\/previous: not here .*taken for a version of a server; but no server/,
    );
  });
});
