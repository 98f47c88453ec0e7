import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import type { Command } from "commander";
import { CompareVersionsResponseSchema } from "../../gen/albert/v1/models_pb.js";
import { directoryBytes } from "../../platform/directory-bytes.ts";
import {
  type ChangedRow,
  type ComparedAnswers,
  compareAnswers,
  type ModelComparison,
} from "../../report/comparison/model-comparison.ts";
import { alignedColumns } from "../../report/render/aligned-columns.ts";
import type { Example } from "../../tasks/datasets/examples.ts";
import { type AdminFlags, addAdminOptions, dataSource, print, withAdmin } from "../admin/admin-call.ts";
import { wholeNumber } from "../number-flags.ts";
import { addDatasetOptions, type DatasetFlags, given, runDataset } from "./dataset-run.ts";

interface CompareFlags extends Omit<DatasetFlags, "model">, AdminFlags {
  readonly rows: number;
}

/** Rows of each list that a terminal shows; JSON has as many as `--rows` says. */
const SHOWN_ROWS = 5;

/** Adds `albert compare`: two models on one data file in this process, or two versions on a server. */
export function registerCompare(program: Command): void {
  const command = program
    .command("compare")
    .description(
      "let two models answer the same data: which is better, where they differ, what each costs; of versions of a server, --data is a data set there or a path below its roots",
    )
    .argument("<before>", "model directory or checkpoint; or a version of a running server, as name@7 or name/champion")
    .argument("<after>", "the other one, alike");
  addAdminOptions(addDatasetOptions(command, { model: false }))
    .option(
      "--rows <n>",
      "rows of the lists of examples that one of the two answers better",
      wholeNumber(1, 100_000),
      100,
    )
    .action(async (before: string, after: string, { rows, ...flags }: CompareFlags) => {
      if (isVersion(before) && isVersion(after)) return compareStored(before, after, flags);
      const examples: Example[] = [];
      const first = await answersOf(before, flags, (example) => examples.push(example));
      const second = await answersOf(after, flags);
      const comparison = compareAnswers(flags.task, examples, first, second, { rows });
      process.stdout.write(
        flags.json ? `${JSON.stringify(comparison, null, 2)}\n` : `${linesOf(comparison).join("\n")}\n`,
      );
    });
}

/** Whether this names a version of a server, and no file that is here. */
function isVersion(text: string): boolean {
  return /^[\w.-]+[@/][\w.-]+$/.test(text) && !existsSync(text);
}

/** Lets a server compare two of its versions. */
function compareStored(before: string, after: string, flags: Omit<CompareFlags, "rows">): Promise<void> {
  return withAdmin(flags, async ({ models }) => {
    const { task, data } = flags;
    const reply = await models.compareVersions({ before, after, task, ...dataSource(data) });
    print(flags, CompareVersionsResponseSchema, reply, () =>
      linesOf({
        metric: reply.metric,
        before: reply.before!,
        after: reply.after!,
        findings: reply.findings,
        fixed: { rows: reply.fixedRows, list: reply.fixed },
        broken: { rows: reply.brokenRows, list: reply.broken },
      }),
    );
  });
}

async function answersOf(
  path: string,
  flags: Omit<DatasetFlags, "model">,
  onExample?: (example: Example) => void,
): Promise<ComparedAnswers> {
  const run = await runDataset(
    { ...flags, model: path },
    { split: flags.split ?? "dev", purpose: "evaluate" },
    // What it would serve with: a threshold that is fitted to this very data would flatter.
    (model) => given("nullThreshold", flags.nullScoreDiffThreshold ?? model.nullThreshold),
    onExample,
  );
  const { head, modelName, modelDigest, seconds } = run;
  const info = await stat(path);
  const bytes = info.isDirectory() ? await directoryBytes(path) : info.size;
  return { name: modelName, digest: modelDigest, head, evaluation: run, seconds, bytes };
}

type Shown = Pick<ModelComparison, "metric" | "before" | "after" | "findings" | "fixed" | "broken">;

function linesOf({ metric, before, after, findings, fixed, broken }: Shown): string[] {
  const rows = [before, after].map(({ name, digest, value, millisecondsPerExample, bytes }) => [
    name,
    digest.slice(0, 12),
    String(Number(value.toPrecision(4))),
    `${millisecondsPerExample.toFixed(2)} ms`,
    `${(bytes / 1e6).toFixed(1)} MB`,
  ]);
  return [
    ...alignedColumns([["MODEL", "DIGEST", metric, "AN EXAMPLE", "SIZE"], ...rows]),
    "",
    ...findings,
    ...changedLines(`answered better by the second, ${fixed.rows}`, fixed.list),
    ...changedLines(`answered worse by the second, ${broken.rows}`, broken.list),
  ];
}

function changedLines(heading: string, list: readonly ChangedRow[]): string[] {
  if (list.length === 0) return [];
  const lines = list.slice(0, SHOWN_ROWS).map(({ place, text, right, before, after }) => {
    const shown = text.length > 90 ? `${text.slice(0, 89)}…` : text;
    return `  ${place}  ${before} -> ${after}, right: ${right}  ${shown}`;
  });
  return ["", heading, ...lines];
}
