import { lstat } from "node:fs/promises";
import { join } from "node:path";
import type { CheckpointLocation } from "../../model/checkpoint/checkpoint-location.ts";
import { type CheckpointOptions, openCheckpoint } from "../../model/checkpoint/open-checkpoint.ts";
import type { AlbertConfig } from "../../model/config.ts";
import { MANIFEST_FILE } from "../../model/directory/manifest.ts";
import type { ModelManifest } from "../../model/directory/model-directory.ts";
import { openModelDirectory } from "../../model/directory/open-model-directory.ts";
import type { Vocabulary } from "../../model/directory/vocabulary.ts";
import type { Head } from "../../model/heads.ts";
import type { Parameters } from "../../model/tensor.ts";

// Opens what `albert inspect` and `albert export` are pointed at: a model directory or a foreign checkpoint.

/** A model that may not be a model directory yet: what `inspect` and `export` need. It needs no vocabulary. */
export interface ModelSource {
  readonly format: "model directory" | CheckpointLocation["kind"];
  readonly config: AlbertConfig;
  readonly heads: readonly Head[];
  readonly parameters: Parameters;
  readonly vocabulary: Vocabulary | undefined;
  readonly warnings: readonly string[];
  /** Tensors of a foreign checkpoint that its model has no use for. */
  readonly unused: readonly string[];
  /** Of a model directory only. */
  readonly manifest?: ModelManifest;
  readonly digest?: string;
}

/** Reads a model directory with everything verified, or any foreign checkpoint. */
export async function readModelSource(path: string, options: CheckpointOptions): Promise<ModelSource> {
  if ((await lstat(join(path, MANIFEST_FILE)).catch(() => undefined)) !== undefined) {
    return { format: "model directory", unused: [], ...(await openModelDirectory(path)) };
  }
  const checkpoint = await openCheckpoint(path, options);
  return { format: checkpoint.location.kind, ...checkpoint };
}
