import { rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { ClassificationHead } from "../../../../src/model/heads.ts";
import { callThread } from "../../../../src/platform/threads/worker-rpc.ts";
import type { Validation } from "../../../../src/server/admin/data/judge-data.ts";
import type { DatasetReport } from "../../../../src/training/data/dataset-report.ts";
import type { LabelsFrom } from "../../../../src/training/features/task-data.ts";
import { writeTinyModel } from "../../../support/models/tiny-model-directory.ts";

describe("validation beside a model", () => {
  const made: string[] = [];
  afterAll(() => {
    for (const directory of made) rmSync(dirname(directory), { recursive: true, force: true });
  });

  /** Judges two rows with these labels as a fine-tune would that starts from a model with this head. */
  async function judged(
    labels: readonly string[],
    head: Pick<ClassificationHead, "problemType" | "labels">,
    labelsFrom?: LabelsFrom,
  ) {
    const directory = await writeTinyModel([{ kind: "classification", name: "classification", ...head }]);
    made.push(directory);
    const path = join(dirname(directory), "rows.tsv");
    writeFileSync(path, `text\tlabel\n${labels.map((label, i) => `row ${i}\t${label}`).join("\n")}\n`);
    return callThread<Validation, DatasetReport>(
      new URL("../../../../src/server/admin/data/validation-thread", import.meta.url),
      import.meta.url,
      {
        background: false,
        data: { task: "classification", paths: [path], problemType: head.problemType },
        model: { directory, lengths: {}, ...(labelsFrom === undefined ? {} : { labelsFrom }) },
      },
    );
  }

  it("wants the labels of a head that goes on being trained", async () => {
    const head = { problemType: "single-label", labels: ["no", "yes"] } as const;
    expect((await judged(["no", "yes"], head)).usable).toBe(true);
    expect((await judged(["no", "maybe"], head)).usable).toBe(false);
  });

  it("takes any labels where the head is to be made anew", async () => {
    const head = { problemType: "single-label", labels: ["no", "yes"] } as const;
    expect((await judged(["good", "bad"], head, "data")).usable).toBe(true);
  });
});
