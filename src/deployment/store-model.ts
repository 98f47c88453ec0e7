import { lstat, rm } from "node:fs/promises";
import { join } from "node:path";
import { importCheckpoint } from "../model/checkpoint/import-checkpoint.ts";
import { MANIFEST_FILE } from "../model/directory/manifest.ts";
import { makeTemporaryDirectory } from "../platform/temporary-directories.ts";
import { checkName } from "../store/names.ts";
import type { Store } from "../store/store.ts";
import type { ModelVersion } from "../store/versions.ts";

// Puts a model directory or a foreign checkpoint into the store. It points no alias at it.

/** A stored version, and what was loaded, missing and unused. */
export interface StoredModel {
  readonly version: ModelVersion;
  readonly summary: string;
}

/**
 * Stores whatever lies at a path as the model's next version: a model directory of ours as it is, Google's or Hugging
 * Face's checkpoint after conversion.
 *
 * @throws AlbertError whatever reading the checkpoint throws
 */
export async function storeModel(store: Store, model: string, source: string): Promise<StoredModel> {
  checkName("model", model);
  if ((await lstat(join(source, MANIFEST_FILE)).catch(() => undefined)) !== undefined) {
    return { version: await store.versions.publish(model, source), summary: "a model directory, stored as it is" };
  }
  const temporary = await makeTemporaryDirectory("import");
  try {
    const { checkpoint } = await importCheckpoint(source, join(temporary, "model"), { name: model });
    const { loaded, zeroed, unused, warnings } = checkpoint;
    const version = await store.versions.publish(model, join(temporary, "model"));
    const parts = [`loaded ${loaded.length} tensors`, listed("missing", zeroed), listed("unused", unused), ...warnings];
    return { version, summary: parts.join("; ") };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

function listed(what: string, names: readonly string[]): string {
  if (names.length === 0) return `${what} none`;
  const more = names.length > 5 ? ` and ${names.length - 5} more` : "";
  return `${what} ${names.slice(0, 5).join(", ")}${more}`;
}
