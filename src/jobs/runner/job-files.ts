import { rm } from "node:fs/promises";
import { join } from "node:path";
import { MODEL_DIRECTORY, WORK_DIRECTORY } from "./resolved-spec.ts";

/** What a job needs until it has succeeded and is of no use afterwards: its model and its file are in the store by then. */
const SPENT = [
  MODEL_DIRECTORY,
  join(WORK_DIRECTORY, "checkpoints"), // where `training/` and `pretraining/` put them
  join(WORK_DIRECTORY, "instances.tf_record"),
];

/** Frees the disk that a job which has succeeded does not need any more; its log and results stay. */
export async function removeSpentFiles(directory: string): Promise<void> {
  for (const path of SPENT) await rm(join(directory, path), { recursive: true, force: true });
}
