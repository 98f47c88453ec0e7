import { lowerThreadPriority } from "../../../platform/threads/thread-priority.ts";
import { answerCall } from "../../../platform/threads/worker-rpc.ts";
import { type Edited, type RowEdits, writeEdited } from "../../../training/data/editing/edit-rows.ts";
import { type ListedRows, listRows, type RowsWanted } from "../../../training/data/editing/list-rows.ts";
import { type SplitRows, writeSplit } from "../../../training/data/editing/split-rows.ts";
import type { DatasetSpec } from "../../../training/data/rows/dataset-rows.ts";
import type { SplitRule } from "../../../training/data/split.ts";
import { judgingBy, type Validation } from "./judge-data.ts";

// The entry point of a thread: reading and writing every row of a file would keep the main thread from answering.

/** What is to be done with the rows of a file, and what comes of it. */
export interface RowsWork {
  readonly list: {
    /** Undefined: under the file's own columns, whatever they are for. */
    readonly validation: Validation | undefined;
    readonly plain: Omit<DatasetSpec, "task">;
    readonly wanted: RowsWanted;
  };
  readonly edit: { readonly data: DatasetSpec; readonly edits: RowEdits; readonly output: string };
  readonly split: {
    readonly data: DatasetSpec;
    readonly rule: SplitRule;
    readonly outputs: { readonly train: string; readonly heldOut: string };
  };
}

export interface RowsResults {
  readonly list: ListedRows;
  readonly edit: Edited;
  readonly split: SplitRows;
}

/** One piece of such work, and whether it yields to other threads. */
export type RowsRequest = { readonly background: boolean } & {
  readonly [K in keyof RowsWork]: { readonly kind: K; readonly work: RowsWork[K] };
}[keyof RowsWork];

await answerCall<RowsRequest, RowsResults[keyof RowsResults]>(async (request, signal) => {
  if (request.background) lowerThreadPriority();
  switch (request.kind) {
    case "list": {
      const { validation, plain, wanted } = request.work;
      if (validation === undefined) return listRows({ ...plain, task: undefined }, wanted, { signal });
      return listRows(validation.data, wanted, await judgingBy(validation, signal));
    }
    case "edit":
      return writeEdited(request.work.data, request.work.edits, request.work.output, signal);
    case "split":
      return writeSplit(request.work.data, request.work.rule, request.work.outputs, signal);
  }
});
