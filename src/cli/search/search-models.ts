import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { AlbertError, invalidInput } from "../../errors.ts";
import { MANIFEST_FILE, parseManifest } from "../../model/directory/manifest.ts";
import type { ModelManifest } from "../../model/directory/model-directory.ts";
import { openModelDirectory } from "../../model/directory/open-model-directory.ts";
import type { DeviceKind } from "../../runtime/engine.ts";
import { createEngine } from "../../runtime/packed-engine.ts";
import { modelEncoder, type TextEncoder } from "../../search/encoder.ts";
import type { IndexEncoder } from "../../search/index/index-contents.ts";
import type { SequenceRunner } from "../../tasks/evaluation/run-sequences.ts";
import { type TaskModel, taskModel } from "../../tasks/plan.ts";
import { bundledModels } from "../server/models-to-serve.ts";

// The models that `albert search` runs in this process: which, and opened.

/** How models are run here. */
export interface RunFlags {
  readonly device: DeviceKind;
  readonly threads?: number;
}

/** Something that was opened. */
interface Opened {
  close(): Promise<void>;
}

/** The encoder of an index, opened; `directory` is where it is. */
export type OpenEncoder = TextEncoder & Opened & { readonly directory: string };

/**
 * Opens an encoder for a new index.
 *
 * @param directory  the bundled sentence encoder when left out
 * @throws AlbertError invalid-input (FIELD_INVALID) where there is none, and for a model that is none
 */
export async function openEncoder(
  directory: string | undefined,
  pooling: IndexEncoder["pooling"] | undefined,
  flags: RunFlags,
): Promise<OpenEncoder> {
  const place = directory ?? bundledModel(({ encoding }) => encoding !== undefined);
  if (place === undefined) {
    const description = "no sentence encoder comes with this program: name the directory of one with --model";
    throw invalidInput([{ field: "--model", description }]);
  }
  const model = await openModelDirectory(place);
  if (pooling === undefined) modelEncoder(model, NO_ENGINE); // before the engine is made, which takes a while
  const engine = await createEngine(model, flags);
  return { ...modelEncoder(model, engine, pooling), directory: resolve(place), close: () => engine.close() };
}

const NO_ENGINE: SequenceRunner = { tokenBudget: 0, run: () => Promise.reject(new Error("no engine: this is a bug")) };

/**
 * Opens the encoder that made an index.
 *
 * @param given  directory of it; where the index says it was when left out, else the bundled one
 * @throws AlbertError precondition (INDEX_ENCODER) for any other model, with what to do
 */
export async function openIndexEncoder(
  index: { readonly path: string; readonly encoder: IndexEncoder },
  given: string | undefined,
  flags: RunFlags,
): Promise<OpenEncoder> {
  const { path, encoder } = index;
  const hint = encoder.directory === undefined ? undefined : resolve(dirname(resolve(path)), encoder.directory);
  const place = given ?? [hint, bundledModel(({ encoding }) => encoding !== undefined)].find(isThere);
  const wanted = `${path} was made by the encoder ${encoder.name} of digest ${encoder.digest.slice(0, 12)}`;
  const again = "or make the index again with albert search index";
  if (place === undefined) {
    const message = `${wanted}, which is not at ${hint ?? "any known place"} any more: name its directory with --model, ${again}`;
    throw new AlbertError("precondition", message, { reason: "INDEX_ENCODER" });
  }
  const model = await openModelDirectory(place);
  if (model.digest !== encoder.digest) {
    const message = `${wanted}, and ${place} is ${model.manifest.name} of digest ${model.digest.slice(0, 12)}, whose vectors mean something else: name the right directory with --model, ${again}`;
    throw new AlbertError("precondition", message, { reason: "INDEX_ENCODER" });
  }
  const engine = await createEngine(model, flags);
  return { ...modelEncoder(model, engine, encoder.pooling), directory: resolve(place), close: () => engine.close() };
}

/** A reader, opened. */
export interface OpenReader extends Opened {
  readonly model: TaskModel;
  readonly engine: SequenceRunner;
}

/**
 * Opens the model that reads passages.
 *
 * @param directory  the bundled model for questions when left out
 * @throws AlbertError invalid-input (FIELD_INVALID) where there is none
 */
export async function openReader(directory: string | undefined, flags: RunFlags): Promise<OpenReader> {
  const place = directory ?? bundledModel(({ heads }) => heads.some(({ kind }) => kind.startsWith("span")));
  if (place === undefined) {
    const description = "no question-answering model comes with this program: name the directory of one with --reader";
    throw invalidInput([{ field: "--reader", description }]);
  }
  const model = await openModelDirectory(place);
  const engine = await createEngine(model, flags);
  return { model: taskModel(model), engine, close: () => engine.close() };
}

/** Where a model is, seen from the folder of an index, so that both may move together. */
export function hintOf(index: string, directory: string): string {
  return relative(dirname(resolve(index)), directory).replaceAll("\\", "/") || ".";
}

/** Directory of the first bundled model that fits. */
function bundledModel(fits: (manifest: ModelManifest) => boolean): string | undefined {
  return bundledModels().find(({ directory }) => fits(parseManifest(readFileSync(join(directory, MANIFEST_FILE)))))
    ?.directory;
}

function isThere(directory: string | undefined): boolean {
  return directory !== undefined && existsSync(directory);
}
