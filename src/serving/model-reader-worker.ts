import type { Model } from "../model/model-directory.ts";
import { type OpenOptions, openModelDirectory } from "../model/open-model-directory.ts";
import { answerCall, type ThreadResult } from "../thread-calls.ts";
import { runInBackground } from "../thread-priority.ts";

/** What the reading thread is asked. */
export interface ReadRequest {
  readonly path: string;
  readonly options: OpenOptions;
}

/** A model without its tokenizer, which is code and cannot cross threads. */
export interface ReadModel {
  readonly model: Omit<Model, "tokenizer">;
  readonly tokenizerDigest: string;
}

/** Opens a model directory and hands its weights over without copying them. */
async function read({ path, options }: ReadRequest): Promise<ThreadResult<ReadModel>> {
  runInBackground();
  const { tokenizer, ...model } = await openModelDirectory(path, options);
  const parameters = new Map(
    [...model.parameters].map(([name, { shape, data }]) => [name, { shape, data: ownBuffer(data) }]),
  );
  const transfer = [...new Set([...parameters.values()].map(({ data }) => data.buffer))];
  return { result: { model: { ...model, parameters }, tokenizerDigest: tokenizer.digest }, transfer };
}

/** The same numbers in a buffer that holds nothing else, so that it can be handed over. */
function ownBuffer(data: Float32Array): Float32Array<ArrayBuffer> {
  const { buffer, byteLength } = data;
  const owns = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
  return owns ? new Float32Array(buffer) : new Float32Array(data);
}

await answerCall(read);
