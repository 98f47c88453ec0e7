import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { invalidInput } from "../../../errors.ts";
import type { ListRowsResponseSchema, ValidateDatasetResponseSchema } from "../../../gen/albert/v1/training_pb.js";
import type { DataSource } from "../../../jobs/job-spec.ts";
import { taskOf } from "../../../jobs/runner/job-control.ts";
import { inThread, SMALL_HEAP } from "../../../platform/threads/hosted-thread.ts";
import { callThread } from "../../../platform/threads/worker-rpc.ts";
import type { DatasetVersion } from "../../../store/datasets.ts";
import type { Edited, RowEdits } from "../../../training/data/editing/edit-rows.ts";
import type { RowsWanted } from "../../../training/data/editing/list-rows.ts";
import type { SplitRows } from "../../../training/data/editing/split-rows.ts";
import type { DatasetSpec } from "../../../training/data/rows/dataset-rows.ts";
import type { SplitRule } from "../../../training/data/split.ts";
import type { RowsRequest, RowsResults } from "./rows-thread.ts";
import { type DataCheck, readingOfCheck, type ValidationTools, validateData, withValidation } from "./validate-data.ts";

// What is done with the rows of stored data: checked, listed, written anew, divided. Each on a thread of its own.

/** How data is read that is to be written anew. */
export type DataReading = Pick<DataCheck, "source" | "task" | "recipe">;

export interface DatasetWork {
  /** Reads a whole set and reports every problem with its line. */
  validate(check: DataCheck, signal: AbortSignal): Promise<MessageInitShape<typeof ValidateDatasetResponseSchema>>;
  /** Some rows; of an empty task under the file's own columns. */
  list(
    check: DataCheck,
    wanted: RowsWanted,
    signal: AbortSignal,
  ): Promise<MessageInitShape<typeof ListRowsResponseSchema>>;
  /** Stores what edits leave. @param name  empty: made of the old one */
  edit(
    reading: DataReading,
    edits: RowEdits,
    name: string,
    signal: AbortSignal,
  ): Promise<Edited & { readonly dataset: DatasetVersion }>;
  /** Stores both parts. */
  split(
    reading: DataReading,
    rule: SplitRule,
    signal: AbortSignal,
  ): Promise<{ readonly rows: SplitRows; readonly train: DatasetVersion; readonly heldOut: DatasetVersion }>;
}

export interface DatasetWorkOptions extends ValidationTools {
  /** Where files lie while they are written. */
  readonly directory: string;
}

/** @throws each as `validateData`, and as the store where something is stored */
export function openDatasetWork(options: DatasetWorkOptions): DatasetWork {
  const { data, store, background, directory } = options;
  // Row by row and brief: a process of its own would cost more than the work.
  const call = <K extends RowsRequest["kind"]>(
    request: Extract<RowsRequest, { readonly kind: K }>,
    signal: AbortSignal,
  ) =>
    callThread<RowsRequest, RowsResults[K]>(
      new URL("./rows-thread", import.meta.url),
      import.meta.url,
      request,
      signal,
      inThread(SMALL_HEAP),
    );
  /** The data, its stored form and a folder that is gone afterwards. */
  const rewriting = async <T>(
    { source, task, recipe }: DataReading,
    work: (from: { readonly spec: DatasetSpec; readonly old: Old; readonly folder: string }) => Promise<T>,
  ): Promise<T> => {
    const path = await data.resolve(source, "source.path");
    const spec = { ...readingOfCheck({ recipe }).spec, task: taskOf(task, "task"), paths: [path] };
    const old = { digest: await digestOf(source, options), name: basename(path) };
    const folder = join(directory, randomUUID());
    await mkdir(folder, { recursive: true });
    try {
      return await work({ spec, old, folder });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };
  return {
    validate: (check, signal) => validateData(options, check, signal),
    async list(check, wanted, signal) {
      const listed = (validation: RowsRequest & { kind: "list" }) => call<"list">(validation, signal);
      const plain = { ...readingOfCheck(check).spec, paths: [await data.resolve(check.source, "source.path")] };
      const request = { kind: "list", background: false } as const;
      const found =
        check.task === ""
          ? await listed({ ...request, work: { validation: undefined, plain, wanted } })
          : await withValidation(options, check, (validation) =>
              listed({ ...request, work: { validation, plain, wanted } }),
            );
      return {
        rows: found.rows.map(({ values, labels, problems, ...row }) => ({
          ...row,
          cells: values.map((value) => ({ ...value })),
          labels: [...labels],
          problems: problems.map((problem) => ({ ...problem })),
        })),
        matching: found.matching,
        columns: [...found.columns],
        fields: { ...found.fields },
        separator: found.separator ?? "",
      };
    },
    edit: (reading, edits, given, signal) =>
      rewriting(reading, async ({ spec, old, folder }) => {
        const name = given === "" ? nameFrom(old, "edited") : requireEnding(given, old.name);
        const output = join(folder, name);
        const edited = await call<"edit">({ kind: "edit", background, work: { data: spec, edits, output } }, signal);
        const origin = { digest: old.digest, madeBy: editsInWords(edited, edits) };
        return { ...edited, dataset: await store.datasets.add(name, output, undefined, origin) };
      }),
    split: (reading, rule, signal) =>
      rewriting(reading, async ({ spec, old, folder }) => {
        const names = { train: nameFrom(old, "train"), heldOut: nameFrom(old, "held-out") };
        const outputs = { train: join(folder, names.train), heldOut: join(folder, names.heldOut) };
        const rows = await call<"split">({ kind: "split", background, work: { data: spec, rule, outputs } }, signal);
        const stored = (part: "train" | "heldOut", what: string) =>
          store.datasets.add(names[part], outputs[part], undefined, {
            digest: old.digest,
            madeBy: `${what}, ${rows[part]} rows: ${+(100 * rule.share).toFixed(2)} % held out by seed ${rule.seed}`,
          });
        return {
          rows,
          train: await stored("train", "the part to train on"),
          heldOut: await stored("heldOut", "the part held out"),
        };
      }),
  };
}

interface Old {
  readonly digest: string;
  readonly name: string;
}

async function digestOf(source: DataSource, { store }: ValidationTools): Promise<string> {
  return source.kind === "dataset" ? store.datasets.whole(source.digest, "source.dataset") : "";
}

/** Characters that a name of the store may have. */
const LONGEST_NAME = 64;

/** Names what is made of a set: its name, what was done, and the beginning of its digest: `tickets-edited-1f2e3d4c.csv`. */
function nameFrom({ name, digest }: Old, what: string): string {
  const [, stem = name, ending = "jsonl"] =
    /^(.*?)\.(csv|tsv|jsonl|ndjson|json|tar|tgz|txt)(?:\.gz)?$/i.exec(name) ?? [];
  // What an earlier step wrote there is told by its own origin.
  const root = stem.replace(/-(edited|train|held-out)(-[0-9a-f]{8})?$/, "");
  const end = `-${what}${digest === "" ? "" : `-${digest.slice(0, 8)}`}.${writtenAs(ending)}`;
  return `${root.slice(0, LONGEST_NAME - end.length)}${end}`;
}

/** Tables keep their format; rows of documents become JSON Lines. */
function writtenAs(ending: string): string {
  const known = ending.toLowerCase();
  return ["csv", "tsv", "ndjson"].includes(known) ? known : "jsonl";
}

function requireEnding(name: string, old: string): string {
  const ending = writtenAs(/\.(\w+?)(?:\.gz)?$/.exec(old)?.[1] ?? "");
  if (name.toLowerCase().endsWith(`.${ending}`)) return name;
  throw invalidInput([{ field: "name", description: `expected a name that ends in .${ending}, got ${name}` }]);
}

function editsInWords({ leftOut, changed, rows }: Edited, { labels }: RowEdits): string {
  const renamed = [...labels].map(([from, to]) => `${JSON.stringify(from)} written ${JSON.stringify(to)}`);
  const parts = [
    ...(leftOut === 0 ? [] : [`${leftOut} ${leftOut === 1 ? "row" : "rows"} left out`]),
    ...(changed === 0 ? [] : [`${changed} changed`]),
    ...renamed.slice(0, 5),
  ];
  return `${parts.join(", ")}; ${rows} rows`;
}
