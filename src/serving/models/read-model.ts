import type { ModelDescription } from "../../model/directory/model-directory.ts";
import { type OpenOptions, openModelDirectory } from "../../model/directory/open-model-directory.ts";
import { type EngineTarget, type PreparedModel, prepareModel } from "../../runtime/session/prepared-model.ts";

/** What the reading thread is asked. */
export interface ReadRequest {
  readonly path: string;
  readonly options: OpenOptions;
  /** What the model is prepared for. */
  readonly target: EngineTarget;
}

/** A model without its weights and its tokenizer, which is code and cannot cross threads. */
export interface ReadModel {
  readonly description: Omit<ModelDescription, "tokenizer">;
  readonly tokenizerDigest: string;
  readonly prepared: PreparedModel;
}

/** Opens a model directory, and writes what sessions load, so that no weight ever reaches the thread that answers requests. */
export async function readModel({ path, options, target }: ReadRequest): Promise<ReadModel> {
  const model = await openModelDirectory(path, options);
  const { tokenizer, parameters: _, ...description } = model;
  return { description, tokenizerDigest: tokenizer.digest, prepared: await prepareModel(model, target) };
}
