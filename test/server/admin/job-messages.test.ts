import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import type { AlbertError } from "../../../src/errors.ts";
import { JobKind, JobSpecSchema } from "../../../src/gen/albert/v1/training_pb.js";
import { readJobSpec } from "../../../src/server/admin/job-messages.ts";

const entries = (count: number, key = "k", value = "v") =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`${key}${index}`, value]));
const spec = (fields: object) =>
  create(JobSpecSchema, { kind: JobKind.FINE_TUNE, model: "m", task: "sst-2", ...fields });
const fieldsOf = (fields: object): string[] => {
  try {
    readJobSpec(spec(fields));
    return [];
  } catch (error) {
    return (error as AlbertError).violations.map(({ field }) => field);
  }
};

describe("what a caller makes up of a job", () => {
  it.each([
    ["as many labels as may be", { labels: entries(64) }, []],
    ["more labels", { labels: entries(65) }, ["spec.labels"]],
    ["a label of a long name", { labels: { ["n".repeat(129)]: "v" } }, ["spec.labels"]],
    ["a label of a long value", { labels: { n: "v".repeat(1025) } }, ["spec.labels"]],
    ["a recipe of very many entries", { recipe: entries(257) }, ["spec.recipe"]],
    [
      "long names",
      { model: "m".repeat(2000), task: "t".repeat(2000), init: "i".repeat(2000) },
      ["spec.model", "spec.task", "spec.init"],
    ],
  ])("%s", (_, fields, wrong) => expect(fieldsOf(fields)).toEqual(wrong));
});

it("further training data goes through messages with its weights, of which 0 means 1", () => {
  const message = spec({
    train: { dataset: "a".repeat(64) },
    furtherTrain: [{ source: { path: "more.csv" }, weight: 2 }, { source: { dataset: "b".repeat(64) } }],
  });
  expect(readJobSpec(message).mix).toEqual({
    weight: 1,
    further: [
      { source: { kind: "path", path: "more.csv" }, weight: 2 },
      { source: { kind: "dataset", digest: "b".repeat(64) }, weight: 1 },
    ],
  });
  expect(readJobSpec(spec({ train: { path: "x" } })).mix).toBeUndefined();
  expect(() => readJobSpec(spec({ furtherTrain: [{ weight: 2 }] }))).toThrow(/spec\.further_train\[0\]\.source/);
});
