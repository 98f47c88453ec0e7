import { existsSync, readdirSync } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Command } from "commander";
import { nearest } from "../../config/nearest.ts";
import { AlbertError, invalidInput } from "../../errors.ts";
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
import { saidToWait } from "../work-progress.ts";
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
      const [first, second] = [namedBy(before), namedBy(after)];
      if (first !== second) throw mixed(before, after, first);
      if (first === "version") return compareStored(before, after, flags);
      const examples: Example[] = [];
      const answers = await answersOf(before, flags, (example) => examples.push(example));
      const others = await answersOf(after, flags);
      const comparison = compareAnswers(flags.task, examples, answers, others, { rows });
      process.stdout.write(
        flags.json ? `${JSON.stringify(comparison, null, 2)}\n` : `${linesOf(comparison).join("\n")}\n`,
      );
    });
}

/** Whether a text names a file or folder of this machine, or a version of a server: "name@7", "name/champion". */
function namedBy(text: string): "path" | "version" {
  if (existsSync(text)) return "path";
  if (/^[\w.-]+@[\w.-]+$/.test(text)) return "version";
  const [, folder] = /^([\w.-]+)\/[\w.-]+$/.exec(text) ?? [];
  // A folder of that name makes the text a path with a mistake in it, not a version.
  return folder !== undefined && !existsSync(folder) ? "version" : missingPath(text);
}

/** @throws AlbertError not-found (FILE_NOT_READABLE), with the name that was probably meant */
function missingPath(path: string): never {
  const folder = dirname(path);
  const meant = existsSync(folder) ? nearest(basename(path), readdirSync(folder)) : undefined;
  const advice = meant === undefined ? "" : `, did you mean ${join(folder, meant)}?`;
  const message = `there is no model at ${path}${advice} (a version of a server is named name@7 or name/champion)`;
  throw new AlbertError("not-found", message, { reason: "FILE_NOT_READABLE" });
}

function mixed(before: string, after: string, first: "path" | "version"): AlbertError {
  const [path, version] = first === "path" ? [before, after] : [after, before];
  const description = `expected two paths or two versions of a server, got the path ${path} and ${version}, which is not here and was taken for a version: export the one with albert models, or import the other`;
  return invalidInput([{ field: "before, after", description }]);
}

/** Lets a server compare two of its versions. */
async function compareStored(before: string, after: string, flags: Omit<CompareFlags, "rows">): Promise<void> {
  try {
    await compareOnServer(before, after, flags);
  } catch (error) {
    const paths = [before, after].filter((text) => text.includes("/"));
    if (paths.length === 0 || !(error instanceof AlbertError) || error.reason !== "NO_SERVER") throw error;
    const message = `${paths.join(" and ")}: not here as a file or folder, so taken for a version of a server; but ${error.message}`;
    throw new AlbertError("unavailable", message, { reason: "NO_SERVER", cause: error });
  }
}

function compareOnServer(before: string, after: string, flags: Omit<CompareFlags, "rows">): Promise<void> {
  return withAdmin(flags, async ({ models }) => {
    const { task, data } = flags;
    const compared = models.compareVersions({ before, after, task, ...dataSource(data) });
    const reply = await saidToWait("the server compares", compared);
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
